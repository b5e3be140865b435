package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stream writes events as go test -json does.
func stream(t *testing.T, events ...event) string {
	t.Helper()
	var b strings.Builder
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.String()
}

func TestRun(t *testing.T) {
	t.Parallel()
	pass := []event{{Action: "run", Package: "p", Test: "A"}, {Action: "pass", Package: "p", Test: "A"}}
	cases := []struct {
		name    string
		options options
		events  []event
		closing string
		shows   string
		fails   bool
	}{
		{"a pass", options{minTests: 1}, append(pass, event{Action: "pass", Package: "p"}), "1 passed, 0 failed", "", false},
		{
			"what took long is told", options{}, []event{
				{Action: "run", Package: "p", Test: "A"},
				{Action: "pass", Package: "p", Test: "A", Elapsed: 61.5},
			}, "1 passed, 0 failed", "slow   61.5 s p A", false,
		},
		{
			"repeated results are told", options{}, []event{
				{Action: "pass", Package: "p", Test: "A"},
				{Action: "output", Package: "p", Output: "ok  \tp\t(cached)\tcoverage: 50.0% of statements\n"},
				{Action: "output", Package: "q", Output: "ok  \tq\t1.2s\tcoverage: 50.0% of statements\n"},
			}, "1 passed, 0 failed", "repeated results of 1 packages", false,
		},
		{"nothing ran", options{minTests: 1}, []event{{Action: "pass", Package: "p"}}, "0 passed, 0 failed", "", true},
		{
			"a parent is not a test of its own",
			options{},
			[]event{
				{Action: "run", Package: "p", Test: "A"},
				{Action: "run", Package: "p", Test: "A/x"},
				{Action: "run", Package: "p", Test: "A/y"},
				{Action: "pass", Package: "p", Test: "A/x"},
				{Action: "pass", Package: "p", Test: "A/y"},
				{Action: "pass", Package: "p", Test: "A"},
			},
			"2 passed, 0 failed", "", false,
		},
		{
			"one failed subtest is one failure",
			options{},
			[]event{
				{Action: "run", Package: "p", Test: "A"},
				{Action: "run", Package: "p", Test: "A/x"},
				{Action: "output", Package: "p", Test: "A/x", Output: "got 1, want 2\n"},
				{Action: "fail", Package: "p", Test: "A/x"},
				{Action: "fail", Package: "p", Test: "A"},
				{Action: "fail", Package: "p"},
			},
			"0 passed, 1 failed", "got 1, want 2", true,
		},
		{
			"a parent that fails by itself",
			options{},
			[]event{
				{Action: "run", Package: "p", Test: "A"},
				{Action: "run", Package: "p", Test: "A/x"},
				{Action: "pass", Package: "p", Test: "A/x"},
				{Action: "fail", Package: "p", Test: "A"},
				{Action: "fail", Package: "p"},
			},
			"1 passed, 1 failed", "", true,
		},
		{
			"a package that fails outside its tests",
			options{},
			append(pass, event{Action: "output", Package: "p", Output: "panic: no\n"}, event{Action: "fail", Package: "p"}),
			"1 passed, 1 failed", "panic: no", true,
		},
		{
			"a package that does not build",
			options{},
			append(pass, event{Action: "build-output", ImportPath: "q", Output: "q.go:1: undefined\n"}, event{Action: "fail", Package: "q"}),
			"1 passed, 1 failed", "q.go:1: undefined", true,
		},
		{
			"a skip is told with its reason",
			options{},
			append(pass, event{Action: "run", Package: "p", Test: "S"},
				event{Action: "output", Package: "p", Test: "S", Output: "    s_test.go:3: no PostgreSQL answers\n"},
				event{Action: "output", Package: "p", Test: "S", Output: "--- SKIP: S (0.00s)\n"},
				event{Action: "skip", Package: "p", Test: "S"}),
			"1 passed, 0 failed, 1 skipped", "SKIPPED p S: s_test.go:3: no PostgreSQL answers", false,
		},
		{
			"a skip where none is allowed",
			options{noSkips: true},
			append(pass, event{Action: "run", Package: "p", Test: "S"}, event{Action: "skip", Package: "p", Test: "S"}),
			"1 passed, 0 failed, 1 skipped", "", true,
		},
		{
			"a package without tests is not a skip",
			options{noSkips: true},
			append(pass, event{Action: "output", Package: "q", Output: "?   \tq\t[no test files]\n"}, event{Action: "skip", Package: "q"}),
			"1 passed, 0 failed", "[no test files]", false,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.options.summary = filepath.Join(t.TempDir(), "summary")
			var out strings.Builder
			err := run(c.options, strings.NewReader(stream(t, c.events...)), &out)
			if (err != nil) != c.fails {
				t.Errorf("error %v, want failure %t", err, c.fails)
			}
			if !strings.HasSuffix(out.String(), "\n"+c.closing+"\n") && out.String() != c.closing+"\n" {
				t.Errorf("output does not end with %q:\n%s", c.closing, out.String())
			}
			if !strings.Contains(out.String(), c.shows) {
				t.Errorf("output lacks %q:\n%s", c.shows, out.String())
			}
			summary, _ := os.ReadFile(c.options.summary)
			if string(summary) != c.closing+"\n" {
				t.Errorf("summary %q, want %q", summary, c.closing)
			}
		})
	}
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	profile := filepath.Join(t.TempDir(), "cover.out")
	// Two test programs saw the same file: the second block was run by one of them.
	text := "mode: atomic\n" +
		"m/internal/a/a.go:1.1,2.2 3 1\nm/internal/a/a.go:3.1,4.2 1 0\n" +
		"m/internal/a/a.go:1.1,2.2 3 0\nm/internal/a/a.go:3.1,4.2 1 5\n" +
		"m/internal/b/b.go:1.1,2.2 4 0\n" +
		"m/cmd/c/c.go:1.1,2.2 100 0\n"
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	passing := stream(t, event{Action: "run", Package: "p", Test: "A"}, event{Action: "pass", Package: "p", Test: "A"})
	for minimum, fails := range map[float64]bool{50: false, 51: true} {
		var out strings.Builder
		err := run(options{profile: profile, prefix: "m/internal/", minPercent: minimum}, strings.NewReader(passing), &out)
		if (err != nil) != fails {
			t.Errorf("at least %v: error %v, want failure %t", minimum, err, fails)
		}
		if want := " 50.0% of     8 statements in all"; !strings.Contains(out.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, out.String())
		}
	}
	var out strings.Builder
	if err := run(options{profile: profile + ".missing"}, strings.NewReader(passing), &out); err == nil {
		t.Error("a missing profile passed")
	}
}
