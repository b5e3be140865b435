package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/app/cli"
)

// host is a server on the loopback interface that can be stopped and started anew.
type host struct {
	*testing.T
	data, address string
	app           *app.App
	stop          func()
}

func newHost(t *testing.T) *host {
	t.Helper()
	for _, tool := range []string{"git", "go", "bwrap"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing: %v", tool, err)
			}
			t.Skipf("%s is missing, so no project can be carried here", tool)
		}
	}
	h := &host{T: t, data: t.TempDir(), address: "127.0.0.1:0"}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("LAYERCAKE_URL", "")
	t.Setenv("LAYERCAKE_TOKEN", "")
	h.start(app.Settings{})
	t.Cleanup(func() { h.stop() })
	return h
}

// start serves what is in the data folder, on the same address as before.
func (h *host) start(s app.Settings) {
	h.Helper()
	s.Data, s.Cache, s.Path = h.data, filepath.Join(h.data, "cache"), os.Getenv("PATH")
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.Context()))
	a, err := app.Open(ctx, s, slog.New(slog.DiscardHandler))
	if err != nil {
		h.Fatal(err)
	}
	l, err := app.Listen(ctx, h.address)
	if err != nil {
		h.Fatal(err)
	}
	h.app, h.address = a, l.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, l, "test") }()
	h.stop = func() {
		cancel()
		if err := errors.Join(<-ended, a.Close()); err != nil {
			h.Error(err)
		}
		h.stop = func() {}
	}
}

func (h *host) url() string { return "http://" + h.address }

// said is how a command ended.
type said struct {
	code      int
	out, errs string
}

func run(t *testing.T, in string, args ...string) said {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), args, cli.Terminal{In: strings.NewReader(in), Out: &out, Err: &errs})
	return said{code, out.String(), errs.String()}
}

// wants runs a command that must end with a code and say all the words.
func (h *host) wants(code int, words string, args ...string) said {
	h.Helper()
	got := run(h.T, "", args...)
	for w := range strings.SplitSeq(words, "|") {
		if !strings.Contains(got.out+got.errs, w) {
			h.Errorf("%v does not say %q", args, w)
		}
	}
	if got.code != code || h.Failed() {
		h.Fatalf("%v: exit %d, not %d\n%s%s", args, got.code, code, got.out, got.errs)
	}
	return got
}

// session is the file of the session.
func (h *host) session() (path string, s struct{ URL, Token string }) {
	h.Helper()
	path = filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "layercake", "session.json")
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		h.Fatal(err)
	}
	return path, s
}

// asks is another client of the same person.
func (h *host) asks(method, path, body string) {
	h.Helper()
	_, s := h.session()
	r, err := http.NewRequestWithContext(h.Context(), method, h.url()+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode/100 != 2 {
		h.Fatalf("%s %s: %d %s", method, path, answer.StatusCode, text)
	}
}

const password = "correct horse battery"

func (h *host) login(args ...string) {
	h.Helper()
	got := run(h.T, password+"\n", append([]string{"login", h.url(), "--email", "ada@example.org", "--password-stdin"}, args...)...)
	if got.code != 0 || !strings.Contains(got.out, "Logged in to "+h.url()+" as Ada (ada@example.org)") || strings.Contains(got.out+got.errs, password) {
		h.Fatalf("exit %d: %s%s", got.code, got.out, got.errs)
	}
}

// review answers as suggested until the project waits for a decision.
func (h *host) review(name string) {
	h.Helper()
	for range 30 {
		h.wants(3, "", "status", name, "--watch", "--every", "200ms")
		if strings.Contains(run(h.T, "", "answer", name, "--suggested").out, "is open") {
			return
		}
	}
	h.Fatal("no decision is asked for")
}

// A person on another terminal logs in, looks, answers, reads the journal, decides
// on what they saw, and clones; what is wrong is said with the next step.
func TestAnotherTerminal(t *testing.T) {
	h := newHost(t)
	h.wants(1, "layercake login URL", "projects")
	h.login("--register", "--name", "Ada")
	path, _ := h.session()
	for at, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(at); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has the mode %v (%v)", at, info.Mode(), err)
		}
	}
	h.wants(0, "no such project", "projects")
	h.wants(0, "Nothing waits", "status")
	h.wants(1, "Begin one there first", "status", "plants")
	for _, body := range []string{`{"idea":"Plants I own and when I watered them","name":"Plant care"}`, `{"idea":"Recipes","name":"Plate of food","blueprint":"express"}`} {
		h.asks(http.MethodPost, "/projects", body)
	}
	h.wants(0, "NAME |Plant care|Plate of food|/10", "projects")
	var listed struct {
		Projects []struct{ ID, Name, Sentence string }
	}
	h.json(0, &listed, "projects", "--query", "watered")
	if len(listed.Projects) != 1 || listed.Projects[0].Sentence == "" {
		t.Fatalf("%+v", listed)
	}
	id := listed.Projects[0].ID
	h.wants(2, "names 2 projects|Plant care|Plate of food", "status", "pla")
	h.wants(1, `no project "weeds"|There are: prj_`, "status", "weeds")
	h.wants(2, "Name a project", "status", " ")
	h.wants(0, "There is no such project", "projects", "--archived")

	// A run that asked something ends what follows it, and says how to go on.
	h.wants(3, "G1 waits for an answer|layercake answer prj_", "status", id, "--watch", "--every", "200ms")
	h.wants(3, "waiting for question|layercake answer prj_|--after", "logs", "-f", id)
	h.wants(0, "asks: |suggested: |--suggested", "answer", id)
	h.wants(2, "The answer is empty", "answer", id, " ")
	p := sitDown(t, "answer", id)
	p.types("answer>", "")
	p.ends(0)
	h.review("plant c")
	h.wants(0, "Plant care: G1 waits for a decision|layercake decide prj_", "status")
	h.wants(0, "G1 waits for a decision|Next: layercake decide|G1  IN_REVIEW", "status", id[:20])
	h.wants(0, "orchestrator, succeeded|write_file docs/TASKS.md|I am the demo model", "logs", "PLANT CARE")
	h.wants(0, "product-manager-onboarding", "logs", id, "--runs")
	h.wants(1, "no run that begins with", "logs", id, "run_x")
	h.wants(1, "No open question begins with", "answer", id, "qst_x", "yes")
	h.wants(1, "No question is open", "answer", id, "yes")
	h.decides(id)

	clone := filepath.Join(t.TempDir(), "clone")
	h.wants(0, "Plant care is cloned to|layercake verify", "clone", id, clone)
	if out, err := exec.CommandContext(t.Context(), "git", "-C", clone, "status", "--porcelain").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(clone, "docs", "INTAKE.md")); err != nil {
		t.Error(err)
	}
	h.wants(2, "nothing is written over", "clone", id, clone)
	h.follows(id)
	h.ends()
}

// decides is what a person decides, and what is refused.
func (h *host) decides(id string) {
	h.Helper()
	h.wants(0, "# Decision: G1|Decide on exactly this", "decide", id, "g1")
	h.wants(2, "Add --yes", "decide", id, "G1", "approve")
	h.wants(2, "Add --yes", "decide", id, "G1", "approve", "--json")
	h.wants(2, "--comment", "decide", id, "G1", "reject", "--yes")
	h.wants(2, "--to belongs to reject", "decide", id, "G1", "approve", "--to", "G0", "--yes")
	h.wants(2, "belong to approve", "decide", id, "G1", "reject", "-m", "x", "--design", "1", "--yes")
	h.wants(2, "what must happen;owner;G7", "decide", id, "G1", "approve", "--condition", "soon", "--yes")
	h.wants(2, "approve, reject or reopen", "decide", id, "G1", "maybe", "--yes")
	h.wants(1, "Its gates are G0, G1", "decide", id, "G77")
	// All that is unmet is said, with the next step, and as JSON.
	h.wants(1, "G2 cannot be approved yet|Decide G1 first.|(docs/PRD.md) is missing. The product-manager has to write it|(request req_", "decide", id, "G2", "approve", "--yes")
	var refused struct {
		Error struct {
			Code, RequestID string
			Details         []struct{ Message, Next string }
		}
	}
	h.json(1, &refused, "decide", id, "G2", "approve", "--yes")
	if refused.Error.Code != "gate.unmet" || len(refused.Error.Details) < 3 || !strings.HasPrefix(refused.Error.RequestID, "req_") || refused.Error.Details[0].Next == "" {
		h.Errorf("%+v", refused)
	}
	// Somebody changes a file between the look and the word.
	var shown struct{ Seen string }
	h.json(0, &shown, "decide", id, "G1")
	h.asks(http.MethodPut, "/projects/"+id+"/file?path=docs/NOTES.md", `{"text":"a note\n","message":"A note"}`)
	h.wants(1, "G1 is no longer as you saw it|docs/NOTES.md|nothing was decided", "decide", id, "G1", "approve", "--seen", shown.Seen, "--yes")
	// A person is asked, and may think again.
	p := sitDown(h.T, "decide", id, "G1", "approve", "--condition", "write; in ink;ada;g3")
	p.waits("# Decision: G1")
	p.types("Type approve to confirm", "no")
	p.ends(3)
	p = sitDown(h.T, "decide", id, "G1", "approve", "--condition", "write; in ink;ada;g3")
	p.types("Type approve to confirm", "approve")
	if text := p.ends(0); !strings.Contains(text, "Approved: G1 is APPROVED now.") {
		h.Errorf("it says %q", text)
	}
	h.wants(1, "already approved", "decide", id, "G1", "approve", "--yes")
}

// follows stops the server and starts it anew while a journal is followed.
func (h *host) follows(id string) {
	h.Helper()
	h.review(id)
	h.stop()
	h.start(app.Settings{DemoDelay: 600 * time.Millisecond}) // the run must not end before the server does
	h.wants(0, "Rejected: G2 is", "decide", id, "G2", "reject", "-m", "Say more of the watering", "--yes")
	runs := 0
	for runs < 4 { // the one of the rework
		var all struct{ Runs []struct{ ID string } }
		h.json(0, &all, "logs", id, "--runs")
		runs = len(all.Runs)
	}
	out, errs := &screen{news: make(chan struct{}, 1)}, &screen{news: make(chan struct{}, 1)}
	code := make(chan int, 1)
	go func() {
		code <- cli.Main(h.Context(), []string{"logs", "-f", id, "--json", "--every", "200ms"}, cli.Terminal{In: strings.NewReader(""), Out: out, Err: errs})
	}()
	until := func(s *screen, words string) {
		h.Helper()
		patience := time.After(30 * time.Second)
		for !strings.Contains(s.from(0), words) {
			select {
			case <-s.news:
			case <-patience:
				h.Fatalf("it never said %s:\n%s%s", words, out.from(0), errs.from(0))
			}
		}
	}
	until(out, `"seq":2`)
	h.stop()
	until(errs, "It is asked again")
	h.start(app.Settings{DemoDelay: time.Millisecond})
	if got := <-code; got != 0 {
		h.Fatalf("exit %d:\n%s%s", got, out.from(0), errs.from(0))
	}
	next := int64(1)
	var last struct {
		Type     string
		Seq      int64
		LastStep int64
		Run      json.RawMessage
	}
	for line := range strings.Lines(out.from(0)) {
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			h.Fatalf("%v in %s", err, line)
		}
		if last.Type == "step" {
			if last.Seq != next {
				h.Errorf("step %d comes where %d has to", last.Seq, next)
			}
			next++
		}
	}
	if last.Type != "run" || !strings.Contains(string(last.Run), `"status":"succeeded"`) || last.LastStep != next-1 || next < 4 || !strings.Contains(errs.from(0), "The server answers again.") {
		h.Errorf("%d steps, then %+v\n%s", next-1, last, errs.from(0))
	}
}

// ends logs out, and finds every door shut.
func (h *host) ends() {
	h.Helper()
	again := "layercake login " + h.url() + " --email ada@example.org"
	h.asks(http.MethodPost, "/auth/logout", "")
	h.wants(1, "run out or was ended. Log in again: "+again, "projects")
	h.wants(0, "had ended before", "logout")
	h.login()
	h.wants(0, "You are logged out", "logout")
	h.wants(0, "not logged in", "logout")
	h.wants(1, "layercake login URL", "status")
	got := run(h.T, "wrong horse battery", "login", h.url(), "--email", "ada@example.org", "--password-stdin", "--json")
	if got.code != 1 || !strings.Contains(got.out, `"code":"auth.wrong"`) {
		h.Errorf("a wrong password: exit %d: %s%s", got.code, got.out, got.errs)
	}
	h.login()
	_, s := h.session()
	h.wants(0, "You are logged out", "logout")
	h.Setenv("LAYERCAKE_TOKEN", s.Token)
	h.wants(2, "LAYERCAKE_URL is not", "projects")
	h.Setenv("LAYERCAKE_URL", h.url()+"/api/v1/")
	h.wants(1, "The token in LAYERCAKE_TOKEN has run out", "projects")
	h.stop()
	h.wants(1, "Nothing answers at "+h.url()+"|layercake serve", "projects")
}

// json runs a command that prints one object.
func (h *host) json(code int, dst any, args ...string) {
	h.Helper()
	got := run(h.T, "", append(args, "--json")...)
	if err := json.Unmarshal([]byte(got.out), dst); err != nil || strings.Count(got.out, "\n") != 1 || got.code != code {
		h.Fatalf("%v: exit %d, %v: %s%s", args, got.code, err, got.out, got.errs)
	}
}
