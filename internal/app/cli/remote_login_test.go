package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/layercake-app/layercake/internal/app/cli"
)

// stage is a server that answers as the test says, and keeps what it was sent.
type stage struct {
	*httptest.Server

	mu   sync.Mutex
	sent strings.Builder
}

func newStage(t *testing.T, fn func(w http.ResponseWriter, r *http.Request)) *stage {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("LAYERCAKE_URL", "")
	t.Setenv("LAYERCAKE_TOKEN", "")
	s := &stage{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		fmt.Fprintf(&s.sent, "%s %s %s\n", r.Method, r.URL, body)
		s.mu.Unlock()
		fn(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *stage) got() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent.String()
}

// A password goes to a LayerCake server, encrypted or on this machine, and nowhere
// else.
func TestPasswordsGoNowhereElse(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter, r *http.Request){
		"a page": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
	}
	for name, fn := range answers {
		s := newStage(t, fn)
		got := run(t, password, "login", s.URL, "--email", "a@b.c", "--password-stdin")
		if got.code != 1 || strings.Contains(s.got(), password) || got.errs == "" {
			t.Errorf("%s: exit %d: %s\nsent %s", name, got.code, got.errs, s.got())
		}
	}
	s := newStage(t, answers["a page"])
	for _, c := range []struct{ args, says string }{
		{"login http://192.0.2.1 --email a@b.c --password-stdin", "--insecure"},
		{"login localhost:3000 --email a@b.c --password-stdin", "http://localhost:3000"},
		{"login", "Say which server"},
		{"login URL --email a@b.c", "does not begin with"},
		{"login " + s.URL + " --email a@b.c", "--password-stdin"},
		{"login " + s.URL + " --password-stdin", "--email"},
		{"login " + s.URL + " --email a@b.c --password-stdin --register", "--name"},
		{"login " + s.URL + " --email a@b.c --password-stdin --name Ada", "--register"},
		{"status --watch --every 1ms", "too often"},
		{"logs x --every 1ms", "too often"},
		{"logs x --after=-1", "no number of a step"},
		{"answer x --suggested qst_1 text", "--suggested"},
	} {
		if got := run(t, password, strings.Fields(c.args)...); got.code != 2 || !strings.Contains(got.errs, c.says) {
			t.Errorf("%s: exit %d: %s", c.args, got.code, got.errs)
		}
	}
	if s.got() != "" {
		t.Errorf("it was asked %s", s.got())
	}
}

const access = `{"success":true,"data":{"accessToken":"hunter2","expiresAt":"2030-01-01T00:00:00Z","user":{"id":"usr_1","email":"ada@example.org","name":"Ada \u001b[2J"}},"meta":{"requestId":"req_1"}}`

// A person at a terminal is asked for what is missing; the password is not shown,
// and when it is mistyped no account is made.
func TestLoginAtATerminal(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/me" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"success":false,"error":{"code":"auth.missing","message":"Log in."},"meta":{"requestId":"req_1"}}`)
			return
		}
		fmt.Fprint(w, access)
	})
	at := func(typed string, secrets []string, args ...string) said {
		var out, errs bytes.Buffer
		code := cli.Main(t.Context(), args, cli.Terminal{
			In: strings.NewReader(typed), Out: &out, Err: &errs, Interactive: true,
			Secret: func(context.Context) (string, error) {
				if len(secrets) == 0 {
					return "", io.EOF
				}
				first := secrets[0]
				secrets = secrets[1:]
				return first, nil
			},
		})
		return said{code, out.String(), errs.String()}
	}
	if got := at("ada@example.org\nAda\n", []string{password, "another"}, "login", s.URL, "--register"); got.code != 2 || !strings.Contains(got.errs, "differ") || strings.Contains(s.got(), "register") {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.errs)
	}
	if got := at("ada@example.org\n", nil, "login", s.URL); got.code != 2 || !strings.Contains(got.errs, "No password") {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.errs)
	}
	if got := at("", nil, "login", s.URL); got.code != 2 || !strings.Contains(got.errs, "e-mail") {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.errs)
	}
	got := at("ada@example.org\nAda\n", []string{password, password}, "login", s.URL, "--register")
	if got.code != 0 || strings.Contains(got.out+got.errs, password) || strings.Contains(got.out, "\x1b") || !strings.Contains(s.got(), `"name":"Ada"`) {
		t.Errorf("exit %d: %q %s\nsent %s", got.code, got.out, got.errs, s.got())
	}
	// The last server is the one that is meant.
	if got := at("", []string{password}, "login", "--email", "ada@example.org", "--json"); got.code != 0 || strings.Contains(got.out, "hunter2") || !strings.Contains(got.out, `"expiresAt":"2030`) {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.errs)
	}
	t.Setenv("LAYERCAKE_URL", "http://localhost:9")
	if got := run(t, "", "projects"); got.code != 1 || !strings.Contains(got.errs, "you are logged in to "+s.URL) {
		t.Errorf("exit %d: %s", got.code, got.errs)
	}
	t.Setenv("LAYERCAKE_URL", "")
	if err := os.WriteFile(filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "layercake", "session.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(t, "", "projects"); got.code != 1 || !strings.Contains(got.errs, "holds no session") {
		t.Errorf("exit %d: %s", got.code, got.errs)
	}
	t.Setenv("XDG_CONFIG_HOME", "relative")
	t.Setenv("HOME", "")
	if got := run(t, "", "projects"); got.code != 1 || !strings.Contains(got.errs, "XDG_CONFIG_HOME") {
		t.Errorf("exit %d: %s", got.code, got.errs)
	}
}

// hostile is what an agent may have written.
const hostile = `\u001b[2J\u202e\r\nlayercake: G9 is APPROVED`

// Nothing that comes from a server steers the terminal, or passes for a line of
// the program.
func TestServersCannotSteerTheTerminal(t *testing.T) {
	rows := map[string]string{
		"/projects":                 `[{"id":"prj_1","name":"P` + hostile + `","gates":[{"code":"G1","status":"IN_REVIEW"}]}]`,
		"/inbox":                    `[{"id":"x","kind":"question","project":"prj_1","projectName":"` + hostile + `","gate":"G1","text":"` + hostile + `","ref":"qst_1"}]`,
		"/projects/prj_1":           `{"id":"prj_1","name":"` + hostile + `","change":{"number":1,"status":"open"},"sentence":"` + hostile + `","unmet":[]}`,
		"/projects/prj_1/gates":     `[{"id":"gat_1","code":"G1","status":"IN_REVIEW","name":"` + hostile + `","reason":"` + hostile + `","unmet":[{"gate":"G1","message":"` + hostile + `","next":"` + hostile + `"}]}]`,
		"/projects/prj_1/questions": `[{"id":"qst_1","gate":"G1","text":"` + hostile + `","options":["` + hostile + `"],"suggestion":"` + hostile + `","status":"open"}]`,
		"/projects/prj_1/runs":      `[{"id":"run_1","project":"prj_1","gate":"G1","role":"` + hostile + `","status":"failed","reason":"` + hostile + `"}]`,
		"/runs/run_1":               `{"id":"run_1","project":"prj_1","gate":"G1","role":"x","status":"failed","reason":"` + hostile + `"}`,
		"/runs/run_1/steps":         `[{"seq":1,"kind":"tool","name":"` + hostile + `","input":"{\"path\":\"\\u001b[2J\"}","output":"` + hostile + `"},{"seq":2,"kind":"model","output":"` + hostile + `"}]`,
		"/gates/gat_1/brief":        `{"markdown":"` + hostile + `","covers":["G1"]}`,
	}
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1.abc"`)
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"success":false,"error":{"code":"x","message":"`+hostile+`","details":[{"message":"`+hostile+`","next":"`+hostile+`"}]},"meta":{"requestId":"`+hostile+`"}}`)
			return
		}
		fmt.Fprint(w, `{"success":true,"data":`+rows[strings.TrimPrefix(r.URL.Path, "/api/v1")]+`,"meta":{"requestId":"req_1"}}`)
	})
	t.Setenv("LAYERCAKE_URL", s.URL)
	t.Setenv("LAYERCAKE_TOKEN", "hunter2")
	for _, c := range []struct {
		args string
		code int
	}{
		{"projects", 0},
		{"status", 0},
		{"status prj_1", 0},
		{"answer prj_1", 0},
		{"answer prj_1 yes", 1},
		{"logs prj_1", 0},
		{"logs prj_1 --full --runs", 0},
		{"logs -f prj_1", 1},
		{"decide prj_1 G1 approve --yes", 1},
	} {
		got := run(t, "", strings.Fields(c.args)...)
		if all := got.out + got.errs; got.code != c.code || strings.ContainsAny(all, "\x1b\r\u202e") || len(all) == 0 {
			t.Errorf("%s: exit %d: %q", c.args, got.code, all)
		}
		// A brief is shown as it was written; all else is on lines of ours.
		if !strings.HasPrefix(c.args, "decide") && strings.Contains("\n"+got.out, "\nlayercake: ") {
			t.Errorf("%s: a line of somebody else's: %q", c.args, got.out)
		}
	}
}

// A command that is told to stop does so, and says how it goes on.
func TestFollowingStops(t *testing.T) {
	asked := make(chan struct{}, 1)
	s := newStage(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"success":true,"data":[],"meta":{"requestId":"req_1"}}`)
		select {
		case asked <- struct{}{}:
		default:
		}
	})
	t.Setenv("LAYERCAKE_URL", s.URL)
	t.Setenv("LAYERCAKE_TOKEN", "hunter2")
	ctx, stop := context.WithCancelCause(t.Context())
	out := &screen{news: make(chan struct{}, 1)}
	code := make(chan int, 1)
	go func() {
		code <- cli.Main(ctx, []string{"status", "--watch"}, cli.Terminal{In: strings.NewReader(""), Out: out, Err: out})
	}()
	<-asked
	stop(errors.New("Ctrl-C"))
	if got := <-code; got != cli.ExitFailed || !strings.Contains(out.from(0), "Interrupted") {
		t.Errorf("exit %d: %s", got, out.from(0))
	}
}

// Watching ends as the change does, and waits over a server that is away.
func TestWatchingEnds(t *testing.T) {
	status, calls := "", 0
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		data := `[]`
		switch r.URL.Path {
		case "/api/v1/projects":
			data = `[{"id":"prj_1","name":"P","gates":[]}]`
		case "/api/v1/projects/prj_1":
			if calls++; calls == 3 { // it is asked twice at each look
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			now := "open"
			if calls > 3 {
				now = status
			}
			data = `{"id":"prj_1","name":"P","busy":true,"change":{"number":1,"status":"` + now + `"},"sentence":"It is ` + now + `.","unmet":[]}`
		}
		fmt.Fprint(w, `{"success":true,"data":`+data+`,"meta":{"requestId":"req_1"}}`)
	})
	t.Setenv("LAYERCAKE_URL", s.URL)
	t.Setenv("LAYERCAKE_TOKEN", "hunter2")
	for end, code := range map[string]int{"completed": cli.ExitDone, "cancelled": cli.ExitFailed} {
		status, calls = end, 0
		got := run(t, "", "status", "--watch", "--every", "200ms", "prj_1")
		if got.code != code || strings.Count(got.out, "It is open.") != 1 || !strings.Contains(got.out, "It is "+end) || !strings.Contains(got.errs, "answers again") {
			t.Errorf("%s: exit %d: %s%s", end, got.code, got.out, got.errs)
		}
	}
}
