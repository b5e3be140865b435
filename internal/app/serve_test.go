package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/secret"
)

// served is a server of its own, on the loopback interface.
type served struct {
	*testing.T
	app      *app.App
	base     string
	contract *contract // every answer is held against it
}

func serveOn(t *testing.T, s app.Settings) *served {
	t.Helper()
	needTools(t)
	s.Data, s.Cache, s.Path = t.TempDir(), cacheDir(), os.Getenv("PATH")
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	a, err := app.Open(ctx, s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := app.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, l, "test") }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, a.Close()); err != nil {
			t.Error(err)
		}
	})
	return serving(t, a, l)
}

// serving reads what a server promises.
func serving(t *testing.T, a *app.App, l net.Listener) *served {
	t.Helper()
	s := &served{T: t, app: a, base: "http://" + l.Addr().String()}
	s.contract = readContract(t, s.ask("", http.MethodGet, "/api/v1/openapi.json", nil).raw)
	return s
}

// eachServer runs a test on a server of either database.
func eachServer(t *testing.T, fn func(s *served)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(serveOn(t, app.Settings{}))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(serveOn(t, app.Settings{DatabaseURL: secret.Text(dbtest.PostgresConfig(t).URL)}))
	})
}

// got is an answer.
type got struct {
	status int
	header http.Header
	raw    []byte
	body   struct {
		Success bool            `json:"success"`
		Data    json.RawMessage `json:"data"`
		Error   struct {
			Code, Message string
			Details       []struct{ Field, Code, Message, Next string }
		} `json:"error"`
		Meta struct{ Timestamp, RequestID, NextCursor string } `json:"meta"`
	}
}

// ask makes a request; a body that is no string is sent as JSON.
func (s *served) ask(token, method, path string, body any) got {
	s.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			s.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(s.Context(), method, s.base+path, in)
	if err != nil {
		s.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return s.send(r)
}

func (s *served) send(r *http.Request) (out got) {
	s.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Error(err)
		return out
	}
	defer func() { _ = answer.Body.Close() }()
	out.status, out.header = answer.StatusCode, answer.Header
	if out.raw, err = io.ReadAll(answer.Body); err != nil {
		s.Error(err)
	}
	if strings.HasPrefix(out.header.Get("Content-Type"), "application/json") && r.Method != http.MethodHead {
		if err := json.Unmarshal(out.raw, &out.body); err != nil {
			s.Errorf("%s %s: %v in %s", r.Method, r.URL.Path, err, out.raw)
		}
	}
	if s.contract != nil {
		if err := s.contract.check(r.Method, r.URL.EscapedPath(), out); err != nil {
			s.Errorf("%v in %.500s", err, out.raw)
		}
	}
	return out
}

func escape(text string) string { return url.QueryEscape(text) }

// get reads the data of a good answer into dst.
func (s *served) get(token, path string, dst any) {
	s.Helper()
	s.good(s.ask(token, http.MethodGet, path, nil), dst)
}

func (s *served) good(a got, dst any) {
	s.Helper()
	if a.status/100 != 2 || !a.body.Success {
		s.Fatalf("%d %s", a.status, a.raw)
	}
	if dst != nil {
		if err := json.Unmarshal(a.body.Data, dst); err != nil {
			s.Fatalf("%v in %s", err, a.raw)
		}
	}
}

// register makes an account and returns its access token.
func (s *served) register(name string) string {
	s.Helper()
	var out struct{ AccessToken string }
	s.good(s.ask("", http.MethodPost, "/api/v1/auth/register", map[string]any{"email": name + "@example.org", "password": "correct horse battery", "name": name}), &out)
	return out.AccessToken
}

type gateRow struct {
	ID, Code, Status string
	Unmet            []struct{ Code, Message, Next string }
}

// answer answers open questions as they suggest.
func (s *served) answer(token, projectID string) {
	s.Helper()
	var questions []struct{ ID, Status, Suggestion string }
	s.get(token, "/api/v1/projects/"+projectID+"/questions", &questions)
	for _, q := range questions {
		if q.Status == "open" {
			s.good(s.ask(token, http.MethodPost, "/api/v1/questions/"+q.ID+"/answer", map[string]any{"answer": q.Suggestion}), nil)
		}
	}
}

// until answers questions as they suggest until a gate is in review, and returns it.
func (s *served) until(token, projectID, code string) gateRow {
	s.Helper()
	events, cancel := s.app.Bus.Subscribe(project.Channel(projectID), 1024)
	defer cancel()
	limit := time.After(3 * time.Minute)
	for {
		var gates []gateRow
		s.get(token, "/api/v1/projects/"+projectID+"/gates", &gates)
		for _, g := range gates {
			if g.Code == code && g.Status == "IN_REVIEW" && len(g.Unmet) == 0 {
				return g
			}
		}
		s.answer(token, projectID)
		select {
		case <-events:
		case <-limit:
			s.Fatalf("%s does not come to review: %+v", code, gates)
		}
	}
}

// An idea comes to its first decision over HTTP; of fifty approvals at once one
// decides, and a stranger sees nothing of it.
func TestServedProject(t *testing.T) {
	t.Parallel()
	eachServer(t, func(s *served) {
		ada := s.register("ada")
		var p struct{ ID, Name, Organization string }
		s.good(s.ask(ada, http.MethodPost, "/api/v1/projects", map[string]any{"idea": "A tool to track the plants I own and when I last watered them"}), &p)
		g := s.until(ada, p.ID, "G1")
		at := "/api/v1/projects/" + p.ID

		var waits struct{ Sentence, Next string }
		s.get(ada, at, &waits)
		if waits.Sentence != "G1 waits for a decision." || !strings.HasPrefix(waits.Next, "Read docs/INTAKE.md, docs/TASKS.md (about ") || !strings.HasSuffix(waits.Next, "then approve G1 or send the work back.") {
			s.Errorf("it says %+v", waits)
		}
		var brief struct {
			Covers, Documents []string
			Markdown, Head    string
			Deliverables      []struct{ Name, State string }
		}
		s.get(ada, "/api/v1/gates/"+g.ID+"/brief", &brief)
		if strings.Join(brief.Covers, " ") != "G1" || !strings.Contains(strings.Join(brief.Documents, " "), "docs/INTAKE.md") || !strings.Contains(brief.Markdown, "# Decision: G1") || len(brief.Head) != 40 || len(brief.Deliverables) != 2 || brief.Deliverables[0].State != "ready" {
			s.Errorf("the brief is %+v", brief)
		}

		var wait sync.WaitGroup
		codes := make([]string, 50)
		for i := range codes {
			wait.Go(func() {
				a := s.ask(ada, http.MethodPost, "/api/v1/gates/"+g.ID+"/decision", map[string]any{"decision": "approve"})
				codes[i] = fmt.Sprint(a.status, a.body.Error.Code)
			})
		}
		wait.Wait()
		count := map[string]int{}
		for _, c := range codes {
			count[c]++
		}
		if count["200"] != 1 || count["409gate.decided"] != 49 {
			s.Errorf("fifty approvals at once: %v", count)
		}
		var events []struct {
			Seq   int64
			Type  string
			Actor struct{ Kind string }
			Data  struct{ Gate, Method string }
		}
		approved := 0
		for since := int64(0); ; since = events[len(events)-1].Seq {
			s.get(ada, fmt.Sprintf("%s/events?since=%d", at, since), &events)
			for _, e := range events {
				if e.Type == "gate.approved" && e.Data.Gate == "G1" {
					approved++
					if e.Data.Method != "session" || e.Actor.Kind != "person" {
						s.Errorf("it was decided by %+v", e)
					}
				}
			}
			if len(events) == 0 {
				break
			}
		}
		if approved != 1 {
			s.Errorf("%d approvals of G1 are on record", approved)
		}

		var runs []struct{ ID string }
		s.get(ada, at+"/runs", &runs)
		var steps []struct {
			Seq          int64
			Kind, Status string
		}
		s.get(ada, "/api/v1/runs/"+runs[0].ID+"/steps", &steps)
		for i, x := range steps {
			if x.Seq != int64(i+1) || x.Kind == "" || x.Status == "" {
				s.Errorf("step %d is %+v", i, x)
			}
		}
		var proofs []struct{ ID, Verdict string }
		s.get(ada, at+"/proofs", &proofs)
		if len(steps) == 0 || len(proofs) == 0 || proofs[0].Verdict != "pass" {
			s.Errorf("%d steps, proofs %+v", len(steps), proofs)
		}
		var log struct{ Text string }
		s.get(ada, "/api/v1/proofs/"+proofs[0].ID+"/log", &log)
		var file struct{ Text string }
		s.get(ada, at+"/file?path=docs/INTAKE.md", &file)
		if log.Text == "" || !strings.Contains(file.Text, "#") {
			s.Errorf("log %q, file %q", log.Text, file.Text)
		}
		for format, magic := range map[string]string{"zip": "PK\x03\x04", "bundle": "# v2 git bundle\n"} {
			if a := s.ask(ada, http.MethodGet, at+"/export?format="+format, nil); a.status != http.StatusOK || !strings.HasPrefix(string(a.raw), magic) {
				s.Errorf("the %s is %d %.80q", format, a.status, a.raw)
			}
		}
		var state struct{ Sentence, Next string }
		s.get(ada, at, &state)
		if state.Sentence == "" || state.Next == "" {
			s.Errorf("of where it stands is said: %+v", state)
		}
	})
}

// strangers asks for everything that the description has, as nobody and as
// somebody who belongs elsewhere.
func (s *served) strangers(eve string, ids map[string]string) {
	s.Helper()
	for _, list := range []string{"projects", "inbox"} {
		var rows []struct{ ID string }
		s.get(eve, "/api/v1/"+list, &rows)
		if len(rows) != 0 {
			s.Errorf("a stranger's %s: %+v", list, rows)
		}
	}
	asked := 0
	r := rand.New(rand.NewPCG(1, 1))
	for path, methods := range s.contract.Paths {
		for method, op := range methods {
			noun := strings.Split(path, "/")[3]
			if !strings.Contains(path, "{id}") {
				continue
			}
			asked++
			id := ids[noun]
			if id == "" {
				s.Errorf("there is none of the %s to ask for", noun)
			}
			var body any
			if op.RequestBody != nil {
				body = s.contract.sample(r, op.RequestBody.Content["application/json"].Schema, 0)
			}
			at := strings.ReplaceAll(path, "{id}", id)
			for _, p := range op.Parameters {
				if p.In == "query" && p.Required {
					at += "?" + p.Name + "=x"
				}
			}
			if a := s.ask("", strings.ToUpper(method), at, body); a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" {
				s.Errorf("nobody, %s %s: %d %s", method, path, a.status, a.raw)
			}
			if a := s.ask(eve, strings.ToUpper(method), at, body); a.status != http.StatusNotFound || strings.Contains(string(a.raw), "plants") {
				s.Errorf("a stranger, %s %s: %d %s", method, path, a.status, a.raw)
			}
		}
	}
	if asked < 50 {
		s.Errorf("only %d routes were asked", asked)
	}
}

// What a client sends wrong is named, in the envelope, and never our fault.
func TestServedMistakes(t *testing.T) {
	t.Parallel()
	eachServer(t, mistakes)
}

func mistakes(s *served) {
	ada := s.register("ada")
	for _, c := range []struct {
		name, token, method, path string
		body                      any
		status                    int
		code, says                string
	}{
		{"no such address", ada, "GET", "/api/v1/nothing", nil, 404, "route.not_found", "/api/v1/openapi.json"},
		{"not even the interface", "", "GET", "/login", nil, 404, "route.not_found", "/api/v1/openapi.json"},
		{"another method", ada, "DELETE", "/api/v1/projects", nil, 405, "route.method", "DELETE"},
		{"no session", "", "GET", "/api/v1/projects", nil, 401, "auth.missing", "Log in"},
		{"a bad token", "x.y.z", "GET", "/api/v1/projects", nil, 401, "auth.expired", "Log in"},
		{"a bad token where none is needed", "x.y.z", "GET", "/health/live", nil, 200, "", ""},
		{"a NUL in the address", ada, "GET", "/api/v1/projects/prj_%00", nil, 400, "text.invalid", "NUL"},
		{"bytes that are no text", ada, "GET", "/api/v1/gates/gat_%ff", nil, 400, "text.invalid", "UTF-8"},
		{"a NUL in the body", ada, "POST", "/api/v1/projects", `{"idea":"Plants\u0000 and more"}`, 400, "", "idea"},
		{"a NUL in a name", ada, "POST", "/api/v1/projects", `{"idea":"Plants","name":"a\u0000b"}`, 400, "", ""},
		{"no JSON", ada, "POST", "/api/v1/projects", "{", 400, "request.invalid", ""},
		{"another type of JSON", ada, "POST", "/api/v1/projects", `[1]`, 400, "request.invalid", ""},
		{"a field too much", ada, "POST", "/api/v1/projects", `{"idea":"Plants","color":"red"}`, 400, "request.invalid", "color"},
		{"fields that are missing", "", "POST", "/api/v1/auth/register", `{"name":"x"}`, 400, "request.invalid", `{"field":"password","message":"password is missing"}`},
		{"a value that is none of them", ada, "POST", "/api/v1/projects", `{"idea":"Plants","type":"magic"}`, 400, "request.invalid", "type"},
		{"no idea", ada, "POST", "/api/v1/projects", `{"idea":"  "}`, 400, "", "idea"},
		{"an unknown blueprint", ada, "POST", "/api/v1/projects", `{"idea":"Plants","blueprint":"x"}`, 400, "blueprint.unknown", "blueprint"},
		{"a body without end", ada, "POST", "/api/v1/projects", `{"idea":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "request.too_large", ""},
		{"a cursor of nobody's", ada, "GET", "/api/v1/projects?cursor=%21", nil, 400, "cursor.invalid", "cursor"},
		{"a limit too high", ada, "GET", "/api/v1/projects?limit=1000", nil, 400, "request.invalid", "limit"},
		{"an unknown word in the address", ada, "GET", "/api/v1/projects?colour=red", nil, 400, "request.invalid", "colour"},
		{"a project that is not", ada, "GET", "/api/v1/projects/prj_x", nil, 404, "not_found", "prj_x"},
		{"all fields of an account", "", "POST", "/api/v1/auth/register", `{"email":"x","password":"y","name":""}`, 400, "account.invalid", "name"},
		{"an account twice", "", "POST", "/api/v1/auth/register", `{"email":"ADA@example.org","password":"correct horse battery","name":"Ada"}`, 409, "account.taken", "Log in"},
		{"a wrong password", "", "POST", "/api/v1/auth/login", `{"email":"ada@example.org","password":"hunter2hunter2"}`, 401, "auth.wrong", ""},
		{"nobody's address", "", "POST", "/api/v1/auth/login", `{"email":"bob@example.org","password":"hunter2hunter2"}`, 401, "auth.wrong", ""},
	} {
		a := s.ask(c.token, c.method, c.path, c.body)
		if a.status != c.status || c.code != "" && a.body.Error.Code != c.code || !strings.Contains(string(a.raw), c.says) {
			s.Errorf("%s: %d %.400s", c.name, a.status, a.raw)
		}
		if a.header.Get("X-Request-Id") == "" || a.body.Meta.RequestID != a.header.Get("X-Request-Id") || a.body.Meta.Timestamp == "" {
			s.Errorf("%s: the answer has no name: %.300s", c.name, a.raw)
		}
		if strings.Contains(string(a.raw), "hunter2") {
			s.Errorf("%s: a password is repeated: %s", c.name, a.raw)
		}
	}
}

// A session that was ended is over at once, and its token with it.
func TestServedLogout(t *testing.T) {
	t.Parallel()
	eachServer(t, func(s *served) {
		ada := s.register("ada")
		var again struct{ AccessToken string }
		s.good(s.ask("", http.MethodPost, "/api/v1/auth/login", map[string]any{"email": "Ada@Example.org", "password": "correct horse battery"}), &again)
		s.good(s.ask(ada, http.MethodPost, "/api/v1/auth/logout", nil), nil)
		if a := s.ask(ada, http.MethodGet, "/api/v1/me", nil); a.status != http.StatusUnauthorized {
			s.Errorf("after logging out: %d %s", a.status, a.raw)
		}
		var me struct {
			User struct {
				Email string
				Admin bool
			}
			Organizations []struct{ Role string }
		}
		s.get(again.AccessToken, "/api/v1/me", &me)
		if !me.User.Admin || me.User.Email != "ada@example.org" || len(me.Organizations) != 1 || me.Organizations[0].Role != "owner" {
			s.Errorf("%+v", me)
		}
	})
}

// A request that another site makes in a person's browser is refused.
func TestServedCrossSite(t *testing.T) {
	t.Parallel()
	s := serveOn(t, app.Settings{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+"/api/v1/auth/login", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := s.send(r); a.status != http.StatusForbidden || a.body.Error.Code != "request.cross_site" {
		t.Errorf("%d %s", a.status, a.raw)
	}
}

// A server that only this machine is to reach does not answer to other names: a
// page could let one of its own point here.
func TestServedHost(t *testing.T) {
	t.Parallel()
	s := serveOn(t, app.Settings{})
	for host, want := range map[string]int{"": 200, "localhost:3000": 200, "[::1]:80": 200, "127.0.0.1": 200, "evil.example:3000": 403, "localhost.evil.example": 403, "192.0.2.1": 403} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/health/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		if a := s.send(r); a.status != want {
			t.Errorf("%q: %d %s", host, a.status, a.raw)
		}
	}
}

// elsewhere is a listener that says it is reached from other machines.
type elsewhere struct{ net.Listener }

func (elsewhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }

// Nobody from elsewhere becomes the administrator, and nobody registers there.
func TestServedElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := app.Settings{Data: dir, Cache: cacheDir(), Path: os.Getenv("PATH")}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	defer stop()
	a, err := app.Open(ctx, settings, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	listen := func() net.Listener {
		l, err := app.Listen(ctx, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if err := a.Serve(ctx, elsewhere{listen()}, "test"); fault.CodeOf(err) != "serve.unclaimed" {
		t.Errorf("an instance without an account: %v", err)
	}
	err = a.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := account.Register(ctx, tx, account.Candidate{Email: "ada@example.org", Name: "Ada"}, "h", false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	l, ended := listen(), make(chan error, 1)
	go func() { ended <- a.Serve(ctx, elsewhere{l}, "test") }()
	s := serving(t, a, l)
	if got := s.ask("", http.MethodPost, "/api/v1/auth/register", map[string]any{"email": "eve@example.org", "password": "correct horse battery", "name": "Eve"}); got.body.Error.Code != "account.closed" {
		t.Errorf("%d %s", got.status, got.raw)
	}
	stop()
	if err := errors.Join(<-ended, a.Close()); err != nil {
		t.Error(err)
	}
}

// Lists go on where they ended, and none is left out or comes twice.
func TestServedPages(t *testing.T) {
	t.Parallel()
	eachServer(t, func(s *served) {
		ada := s.register("ada")
		want := map[string]bool{}
		for i := range 5 {
			var p struct{ ID string }
			s.good(s.ask(ada, http.MethodPost, "/api/v1/projects", map[string]any{"idea": fmt.Sprintf("Track 100%% of plant %d", i), "name": fmt.Sprintf("Plant %d", i), "blueprint": "express"}), &p)
			want[p.ID] = true
		}
		next := ""
		for pages := 0; ; pages++ {
			a := s.ask(ada, http.MethodGet, "/api/v1/projects?limit=2&q=100%25&cursor="+next, nil)
			var found []struct {
				ID    string
				Gates []struct{ Code string }
			}
			s.good(a, &found)
			for _, p := range found {
				if !want[p.ID] || len(p.Gates) != 10 {
					s.Errorf("%s is there twice, or has %d gates", p.ID, len(p.Gates))
				}
				delete(want, p.ID)
			}
			if next = a.body.Meta.NextCursor; next == "" {
				if pages != 2 {
					s.Errorf("%d pages", pages+1)
				}
				break
			}
		}
		if len(want) > 0 {
			s.Errorf("left out: %v", want)
		}
		var none []struct{ ID string }
		if s.get(ada, "/api/v1/projects?q=100_", &none); len(none) > 0 {
			s.Errorf("a sign of the pattern matched: %v", none)
		}
	})
}
