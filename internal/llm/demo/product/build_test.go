package product

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if !soak() {
		if err := flag.Set("rapid.checks", "10"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// soak reports whether a long run was asked for.
func soak() bool { return os.Getenv("LAYERCAKE_SOAK") == "1" }

// minCoverage is what the generated tests promise, in percent.
const minCoverage = 92

func write(t *testing.T, dir string, files tree) {
	t.Helper()
	for name, data := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// tool runs a command in dir and returns what it printed.
func tool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed: generated products were not built", name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOTOOLCHAIN=local", "GOPROXY=off", "GOWORK=off")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, tail(failures(out.String())), problems.String())
	}
	return out.String()
}

// failures keeps of a test run in JSON what the failed tests said.
func failures(out string) string {
	if !strings.HasPrefix(out, "{") {
		return out
	}
	said, kept := map[string]string{}, ""
	for _, line := range strings.Split(out, "\n") {
		var event struct{ Action, Package, Test, Output string }
		if json.Unmarshal([]byte(line), &event) != nil {
			return out
		}
		key := event.Package + " " + event.Test
		said[key] += event.Output
		if event.Action == "fail" && event.Test != "" {
			kept += key + "\n" + said[key]
		}
	}
	return kept
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// prove writes the product, runs what its owner would run, and checks that every
// criterion's test passed and the coverage is what was promised.
func prove(t *testing.T, m Model, s Style) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, join(m.Scaffold(), m.Backend(), m.Frontend(s), m.Tests(), m.Deploy(), m.Monitoring()))
	if list := tool(t, dir, "gofmt", "-l", "."); list != "" {
		t.Errorf("not formatted: %s", list)
	}
	tool(t, dir, "go", "build", "./...")
	tool(t, dir, "go", "vet", "./...")
	profile := filepath.Join(dir, "cover.out")
	start := time.Now()
	args := []string{"test", "-json", "-count=1", "-coverpkg=./...", "-coverprofile=" + profile}
	if soak() {
		args = append(args, "-race")
	}
	out := tool(t, dir, "go", append(args, "./...")...)
	took := time.Since(start)
	passed := map[string]bool{}
	for _, line := range strings.Split(out, "\n") {
		var event struct{ Action, Test string }
		if json.Unmarshal([]byte(line), &event) == nil && event.Action == "pass" {
			passed[event.Test] = true
		}
	}
	criteria := 0
	for _, story := range m.Stories() {
		for _, c := range story.Criteria {
			criteria++
			if !passed[c.Test] {
				t.Errorf("%s (%s) did not pass", c.Test, c.ID)
			}
		}
	}
	report := tool(t, dir, "go", "tool", "cover", "-func="+profile)
	total := regexp.MustCompile(`total:\s+\(statements\)\s+([\d.]+)%`).FindStringSubmatch(report)
	if total == nil {
		t.Fatalf("no total in %s", tail(report))
	}
	percent, err := strconv.ParseFloat(total[1], 64)
	if err != nil || percent < minCoverage {
		t.Errorf("coverage is %s %%:\n%s", total[1], report)
	}
	t.Logf("%s: %d lines, %d criteria, coverage %.1f %%, go test %.1f s", m.App, lines(join(m.Scaffold(), m.Backend(), m.Frontend(s), m.Tests())), criteria, percent, took.Seconds())
}

func lines(files tree) int {
	n := 0
	for _, data := range files {
		n += bytes.Count(data, []byte("\n"))
	}
	return n
}

// TestProductsProveThemselves builds and tests real trees: an idea with a second
// change on it in a normal run, every idea in all styles in a soak run.
func TestProductsProveThemselves(t *testing.T) {
	if testing.Short() {
		t.Skip("builds products")
	}
	t.Parallel()
	for i, c := range ideas {
		if i != 1 && !soak() {
			continue
		}
		m := Read(c.idea)
		if soak() {
			t.Run(m.App, func(t *testing.T) { prove(t, m, Styles()[i%3]) })
		}
		if i == 1 || soak() {
			next, _ := m.Extend("add a warranty date, a deposit and a website; track suppliers; when I last checked it")
			t.Run(m.App+"-2", func(t *testing.T) { prove(t, next, Styles()[(i+1)%3]) })
		}
	}
}

// TestOlderDataLoads keeps records with the first version of a product and reads
// them with the second.
func TestOlderDataLoads(t *testing.T) {
	if testing.Short() {
		t.Skip("builds products")
	}
	t.Parallel()
	first := Read(ideas[0].idea)
	second, changes := first.Extend("let me record when I last fertilized each plant, and track gardens with their address")
	if len(changes) < 2 {
		t.Fatalf("changes %v", changes)
	}
	data := t.TempDir()
	var id string
	serve(t, first, data, func(base string) {
		row := request(t, http.MethodPost, base+"/api/plants", `{"name":"Monstera","last_watered":"2026-05-28","water_every_days":7}`)
		id, _ = row["id"].(string)
	})
	serve(t, second, data, func(base string) {
		row := request(t, http.MethodGet, base+"/api/plants/"+id, "")
		if row["name"] != "Monstera" || row["last_watered"] != "2026-05-28" || row["water_every_days"] != 7.0 {
			t.Errorf("the record became %v", row)
		}
		if row := request(t, http.MethodPost, base+"/api/plants/"+id+"/fertilize", ""); row["last_fertilized"] == nil || row["name"] != "Monstera" {
			t.Errorf("the new action made %v", row)
		}
	})
}

func request(t *testing.T, method, url, body string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s %v", method, url, answer.StatusCode, data, err)
	}
	var row map[string]any
	if err := json.Unmarshal(data, &row); err != nil {
		t.Fatal(err)
	}
	return row
}

// serve builds a product, runs it as its owner would while use is at work, and
// wants a clean end after an interrupt.
func serve(t *testing.T, m Model, data string, use func(base string)) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, join(m.Scaffold(), m.Backend(), m.Frontend(Styles()[0])))
	tool(t, dir, "go", "build", "-o", "product", "./cmd/app")
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "product"))
	cmd.Dir = dir
	cmd.Env = []string{"PORT=" + port, "DATA_DIR=" + data}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(log)
	if !scanner.Scan() || !strings.Contains(scanner.Text(), "listening") {
		t.Fatalf("the product said %q", scanner.Text())
	}
	use(fmt.Sprintf("http://127.0.0.1:%s", port))
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for scanner.Scan() {
		t.Errorf("the product said %q", scanner.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the product ended with %v", err)
	}
}
