package app_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/db"
)

type row struct {
	ID, Status, Code, Kind, Text, Ref, Author, Decision, Title string
	Version, Number                                            int64
}

// post makes something and returns it.
func (s *served) post(token, path string, body map[string]any) (out row) {
	s.Helper()
	s.good(s.ask(token, http.MethodPost, path, body), &out)
	return out
}

// refused asserts that a request is answered with a status and a code.
func (s *served) refused(a got, status int, code string) {
	s.Helper()
	if a.status != status || a.body.Error.Code != code {
		s.Errorf("%d %.400s, want %d %s", a.status, a.raw, status, code)
	}
}

// with makes a request with a header.
func (s *served) with(token, method, path, header, value, body string) got {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set(header, value)
	return s.send(r)
}

func (s *served) rows(token, path string) (out []row) {
	s.Helper()
	s.get(token, path, &out)
	return out
}

// Everything that a person does to a project at work is done over HTTP, and nobody
// else sees any of it.
func TestServedNouns(t *testing.T) {
	t.Parallel()
	eachServer(t, func(s *served) {
		ada, eve := s.register("ada"), s.register("eve")
		p := s.post(ada, "/api/v1/projects", map[string]any{"idea": "A tool to track the plants I own and when I last watered them", "qualityTier": "mvp"})
		at := "/api/v1/projects/" + p.ID
		g := s.until(ada, p.ID, "G1")
		s.decideWhatWasSeen(ada, at, g.ID)
		g = s.until(ada, p.ID, "G2")
		ids := map[string]string{"projects": p.ID, "gates": g.ID}
		s.documents(ada, at)
		ids["comments"] = s.comments(ada, at, g.ID)
		g = s.until(ada, p.ID, "G2")
		ids["waivers"], ids["blockers"] = s.obstacles(ada, at, g.ID)
		g = s.until(ada, p.ID, "G2")
		ids["conditions"] = s.promises(ada, at, g.ID)
		ids["runs"] = s.runs(ada, at)
		for _, noun := range []string{"proofs", "questions", "changes", "tasks"} {
			ids[noun] = s.rows(ada, at+"/"+noun)[0].ID
		}
		var me struct {
			Organizations []struct{ Organization string }
		}
		s.get(ada, "/api/v1/me", &me)
		ids["organizations"] = me.Organizations[0].Organization
		s.strangers(eve, ids)
		s.endings(ada, at, ids["changes"])
	})
}

// decideWhatWasSeen approves a gate by the version that was read, after another
// version was refused.
func (s *served) decideWhatWasSeen(ada, at, gate string) {
	s.Helper()
	decision := "/api/v1/gates/" + gate + "/decision"
	tag := s.ask(ada, http.MethodGet, "/api/v1/gates/"+gate+"/brief", nil).header.Get("ETag")
	s.refused(s.with(ada, http.MethodPost, decision, "If-Match", `"1.0000"`, `{"decision":"approve"}`), http.StatusPreconditionFailed, "gate.changed")
	s.refused(s.with(ada, http.MethodPost, decision, "If-Match", `banana`, `{"decision":"approve"}`), http.StatusBadRequest, "etag.invalid")
	s.refused(s.ask(ada, http.MethodPost, decision, map[string]any{"decision": "approve", "target": "G1"}), http.StatusBadRequest, "decision.surplus")
	s.refused(s.ask(ada, http.MethodPost, decision, `{"decision":"approve","Decision":"banana","comment":"x"}`), http.StatusBadRequest, "request.invalid")
	s.good(s.with(ada, http.MethodPost, decision, "If-Match", tag, `{"decision":"approve"}`), nil)
	if made := s.rows(ada, at+"/decisions"); made[len(made)-1].Code != "G1" {
		s.Errorf("decisions: %+v", made)
	}
}

// documents edits a document as two people who read the same version.
func (s *served) documents(ada, at string) {
	s.Helper()
	file := at + "/file?path=docs/PRD.md"
	read := s.ask(ada, http.MethodGet, file, nil)
	var was struct{ Text string }
	s.good(read, &was)
	tag := read.header.Get("ETag")
	text := strings.ReplaceAll(was.Text+"\nA remark.\n", `"`, `'`)
	body := fmt.Sprintf(`{"text":%q,"message":"Add a remark"}`, text)
	s.refused(s.ask(ada, http.MethodPut, file, body), http.StatusPreconditionRequired, "request.unconditional")
	written := s.with(ada, http.MethodPut, file, "If-Match", tag, body)
	s.good(written, nil)
	late := s.with(ada, http.MethodPut, file, "If-Match", tag, body)
	s.refused(late, http.StatusPreconditionFailed, "document.changed")
	if !strings.Contains(string(late.raw), `"current":{`) || !strings.Contains(string(late.raw), "A remark.") {
		s.Errorf("who came late is not shown what is there: %.300s", late.raw)
	}
	s.refused(s.ask(ada, http.MethodPut, at+"/file?path=.layercake/checks.yaml", map[string]any{"text": "x"}), http.StatusForbidden, "repo.protected")
	s.refused(s.ask(ada, http.MethodPut, at+"/file?path=../x", map[string]any{"text": "x"}), http.StatusBadRequest, "repo.path")
	s.good(s.ask(ada, http.MethodPut, at+"/file?path=docs/NOTES.md", map[string]any{"text": "# Notes\n"}), nil)
	s.good(s.with(ada, http.MethodDelete, at+"/file?path=docs/NOTES.md", "If-Match", "*", ""), nil)
	var history []struct{ Subject, Author string }
	s.get(ada, at+"/history?path=docs/PRD.md", &history)
	if history[0].Subject != "Add a remark" || history[0].Author != "ada" {
		s.Errorf("history: %+v", history)
	}
	page := s.ask(ada, http.MethodGet, at+"/history?limit=2", nil)
	var first, second []struct{ Commit string }
	s.good(page, &first)
	s.get(ada, at+"/history?limit=2&cursor="+page.body.Meta.NextCursor, &second)
	if len(first) != 2 || len(second) == 0 || first[1].Commit == second[0].Commit {
		s.Errorf("pages of the history: %+v, %+v", first, second)
	}
	var blame struct {
		Lines []struct{ Text, Author string }
	}
	s.get(ada, at+"/blame?path=docs/PRD.md", &blame)
	if last := blame.Lines[len(blame.Lines)-1]; last.Text != "A remark." || last.Author != "ada" {
		s.Errorf("the last line is %+v", last)
	}
	var diff struct{ Text string }
	s.get(ada, at+"/diff?path=docs/PRD.md", &diff)
	if !strings.Contains(diff.Text, "+A remark.") || strings.Count(diff.Text, "diff --git") != 1 {
		s.Errorf("the difference is %.300s", diff.Text)
	}
}

// comments go back to the agents with a rejection, and tell whom they mention.
func (s *served) comments(ada, at, gate string) string {
	s.Helper()
	c := s.post(ada, at+"/comments", map[string]any{"path": "docs/PRD.md", "line": 1, "text": "@ada, is this the title?"})
	s.refused(s.ask(ada, http.MethodPost, at+"/comments", map[string]any{"path": "docs/PRD.md", "line": 100000, "text": "x"}), http.StatusBadRequest, "comment.line")
	s.refused(s.ask(ada, http.MethodPost, at+"/comments", map[string]any{"path": "docs/NONE.md", "text": "x"}), http.StatusNotFound, "file.not_found")
	inbox := s.rows(ada, "/api/v1/inbox?kind=mention")
	if len(inbox) != 1 || inbox[0].Ref != c.ID {
		s.Errorf("mentions: %+v", inbox)
	}
	s.good(s.ask(ada, http.MethodPut, "/api/v1/inbox/read", map[string]any{"id": inbox[0].ID, "read": true}), nil)
	if left := s.rows(ada, "/api/v1/inbox?kind=mention&unread=true"); len(left) != 0 {
		s.Errorf("still unread: %+v", left)
	}
	other := s.post(ada, at+"/comments", map[string]any{"path": "docs/PRD.md", "text": "Never mind."})
	s.good(s.ask(ada, http.MethodPost, "/api/v1/comments/"+other.ID+"/resolve", nil), nil)
	s.refused(s.ask(ada, http.MethodPost, "/api/v1/comments/"+other.ID+"/resolve", nil), http.StatusConflict, "comment.resolved")
	s.good(s.ask(ada, http.MethodPost, "/api/v1/gates/"+gate+"/decision", map[string]any{"decision": "reject", "comment": "Say what it is."}), nil)
	for _, x := range s.rows(ada, at+"/comments") {
		if x.ID == c.ID && (x.Status != "sent" || x.Decision == "") {
			s.Errorf("the comment is %+v", x)
		}
	}
	return c.ID
}

// obstacles are raised, resolved and waived.
func (s *served) obstacles(ada, at, gate string) (waiver, blocker string) {
	s.Helper()
	b := s.post(ada, at+"/blockers", map[string]any{"gate": "G2", "title": "No budget for paper", "severity": "critical"})
	s.refused(s.ask(ada, http.MethodPost, "/api/v1/gates/"+gate+"/decision", map[string]any{"decision": "approve"}), http.StatusConflict, "gate.unmet")
	if failures := s.rows(ada, "/api/v1/inbox?kind=failure"); len(failures) != 1 || failures[0].Ref != b.ID {
		s.Errorf("failures: %+v", failures)
	}
	w := s.post(ada, "/api/v1/gates/"+gate+"/waivers", map[string]any{"rule": "blocker", "subject": b.ID, "owner": "Ada", "reason": "We have paper.", "expiresAt": time.Now().Add(time.Hour)})
	s.refused(s.ask(ada, http.MethodPost, "/api/v1/gates/"+gate+"/waivers", map[string]any{"rule": "blocker", "owner": "Ada", "reason": "x", "expiresAt": "2001-01-01T00:00:00Z"}), http.StatusBadRequest, "waiver.invalid")
	s.good(s.ask(ada, http.MethodPost, "/api/v1/waivers/"+w.ID+"/close", nil), nil)
	s.good(s.ask(ada, http.MethodPost, "/api/v1/blockers/"+b.ID+"/resolve", map[string]any{"resolution": "Paper came."}), nil)
	s.refused(s.ask(ada, http.MethodPost, "/api/v1/blockers/"+b.ID+"/resolve", map[string]any{"resolution": "Paper came."}), http.StatusConflict, "blocker.resolved")
	if n := s.post(ada, at+"/notes", map[string]any{"gate": "G2", "kind": "risk", "title": "Frost", "likelihood": "low", "impact": "high"}); !strings.HasPrefix(n.Author, "person:") {
		s.Errorf("the note is %+v", n)
	}
	s.refused(s.ask(ada, http.MethodPost, at+"/notes", map[string]any{"gate": "G77", "title": "Frost"}), http.StatusBadRequest, "gate.unknown")
	return w.ID, b.ID
}

// promises go with an approval, and are kept later.
func (s *served) promises(ada, at, gate string) string {
	s.Helper()
	s.good(s.ask(ada, http.MethodPost, "/api/v1/gates/"+gate+"/decision", map[string]any{
		"decision": "approve", "conditions": []map[string]any{{"text": "Ask the gardener", "owner": "Ada", "due": "G3"}},
	}), nil)
	c := s.rows(ada, at+"/conditions")[0]
	s.good(s.ask(ada, http.MethodPost, "/api/v1/conditions/"+c.ID+"/resolve", map[string]any{"resolution": "She said yes."}), nil)
	return c.ID
}

// runs are steered, stopped, cancelled and begun again.
func (s *served) runs(ada, at string) string {
	s.Helper()
	s.good(s.ask(ada, http.MethodPost, at+"/stop", nil), nil)
	var runs []struct{ ID, Status, WaitsFor, Gate string }
	s.get(ada, at+"/runs", &runs)
	last := runs[len(runs)-1]
	if last.Status == "waiting" && last.WaitsFor == "pause" {
		run := "/api/v1/runs/" + last.ID
		s.refused(s.ask(ada, http.MethodPost, run+"/resume", nil), http.StatusConflict, "project.paused")
		s.good(s.ask(ada, http.MethodPost, run+"/messages", map[string]any{"text": "Mind the frost."}), nil)
		if said := s.rows(ada, run+"/messages"); len(said) != 1 || said[0].Text != "Mind the frost." {
			s.Errorf("messages: %+v", said)
		}
		s.good(s.ask(ada, http.MethodPost, run+"/cancel", map[string]any{"reason": "Another way."}), nil)
		again := s.post(ada, run+"/retry", map[string]any{})
		if again.ID == last.ID {
			s.Errorf("the run was not begun again: %+v", again)
		}
	} else {
		s.Logf("no run was under way to be cancelled: %+v", last)
	}
	s.refused(s.ask(ada, http.MethodPost, "/api/v1/runs/"+runs[0].ID+"/retry", map[string]any{}), http.StatusConflict, "run.succeeded")
	s.refused(s.ask(ada, http.MethodPost, "/api/v1/runs/"+runs[0].ID+"/cancel", map[string]any{"reason": "x"}), http.StatusConflict, "run.ended")
	if used := s.rows(ada, "/api/v1/runs/"+runs[0].ID+"/usage"); len(used) == 0 {
		s.Error("the run used nothing")
	}
	s.good(s.ask(ada, http.MethodPost, at+"/resume", nil), nil)
	return runs[0].ID
}

// endings change, put away and delete a project.
func (s *served) endings(ada, at, change string) {
	s.Helper()
	got := s.ask(ada, http.MethodGet, at, nil)
	var p struct {
		Name string
		Head string
	}
	s.good(got, &p)
	tag := got.header.Get("ETag")
	s.good(s.with(ada, http.MethodPatch, at, "If-Match", tag, `{"name":"  My   plants ","qualityTier":"enterprise"}`), nil)
	late := s.with(ada, http.MethodPatch, at, "If-Match", tag, `{"name":"Plants"}`)
	s.refused(late, http.StatusPreconditionFailed, "project.changed")
	if !strings.Contains(string(late.raw), `"name":"My plants"`) {
		s.Errorf("who came late is not shown what is there: %.300s", late.raw)
	}
	s.refused(s.ask(ada, http.MethodPatch, at, `{"name":null,"qualityTier":"gold"}`), http.StatusBadRequest, "request.invalid")
	s.good(s.ask(ada, http.MethodPut, at+"/budget", map[string]any{"budgetUsd": 5}), nil)
	s.refused(s.ask(ada, http.MethodPut, at+"/budget", map[string]any{"budgetUsd": 0.0000004}), http.StatusBadRequest, "budget.invalid")
	s.refused(s.ask(ada, http.MethodPost, at+"/changes", map[string]any{"request": "Add a report"}), http.StatusConflict, "change.open")
	s.good(s.ask(ada, http.MethodPost, "/api/v1/changes/"+change+"/cancel", map[string]any{"reason": "Winter."}), nil)
	s.refused(s.ask(ada, http.MethodPost, "/api/v1/changes/"+change+"/cancel", map[string]any{"reason": "Winter."}), http.StatusConflict, "change.ended")
	second := s.post(ada, at+"/changes", map[string]any{"request": "Add a report of what was watered"})
	if second.Number != 2 || len(s.rows(ada, at+"/gates?change=1")) != 10 || len(s.rows(ada, at+"/changes")) != 2 {
		s.Errorf("the second change is %+v", second)
	}
	s.refused(s.ask(ada, http.MethodGet, at+"/tasks?change=7", nil), http.StatusNotFound, "change.not_found")

	s.good(s.ask(ada, http.MethodPost, at+"/archive", nil), nil)
	if len(s.rows(ada, "/api/v1/projects")) != 0 || len(s.rows(ada, "/api/v1/projects?archived=true")) != 1 || len(s.rows(ada, "/api/v1/inbox")) != 0 {
		s.Error("an archived project is among the others")
	}
	s.refused(s.ask(ada, http.MethodPost, at+"/resume", nil), http.StatusConflict, "project.archived")
	s.good(s.ask(ada, http.MethodPost, at+"/unarchive", nil), nil)
	s.refused(s.ask(ada, http.MethodDelete, at+"?name=plants", nil), http.StatusBadRequest, "project.name")
	s.good(s.ask(ada, http.MethodDelete, at+"?name=My%20plants", nil), nil)
	s.refused(s.ask(ada, http.MethodGet, at, nil), http.StatusNotFound, "not_found")
	if len(s.rows(ada, "/api/v1/projects")) != 0 {
		s.Error("a deleted project is in the list")
	}
	id := strings.TrimPrefix(at, "/api/v1/projects/")
	for limit := time.Now().Add(30 * time.Second); s.app.Repos.Has(id); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			s.Fatal("the repository of a deleted project is still there")
		}
	}
}

// Of twenty-five approvals and twenty-five rejections at once, one decides.
func TestServedApprovalsAgainstRejections(t *testing.T) {
	t.Parallel()
	eachServer(t, func(s *served) {
		ada := s.register("ada")
		p := s.post(ada, "/api/v1/projects", map[string]any{"idea": "A tool to track the plants I own"})
		g := s.until(ada, p.ID, "G1")
		answers := make(chan got, 50)
		for i := range cap(answers) {
			body := map[string]any{"decision": "approve"}
			if i%2 == 0 {
				body = map[string]any{"decision": "reject", "comment": "Ask about the frost."}
			}
			go func() { answers <- s.ask(ada, http.MethodPost, "/api/v1/gates/"+g.ID+"/decision", body) }()
		}
		count := map[int]int{}
		for range cap(answers) {
			count[(<-answers).status]++
		}
		if count[http.StatusOK] != 1 || count[http.StatusConflict] != 49 {
			s.Errorf("answers: %v", count)
		}
		made := 0
		for _, d := range s.rows(ada, "/api/v1/projects/"+p.ID+"/decisions") {
			if d.Code == "G1" {
				made++
			}
		}
		if made != 1 {
			s.Errorf("%d decisions on G1 are on record", made)
		}
	})
}

// A request with an Idempotency-Key is done once.
func TestServedIdempotency(t *testing.T) {
	t.Parallel()
	eachServer(t, func(s *served) {
		ada, eve := s.register("ada"), s.register("eve")
		const body = `{"idea":"A tool to track the plants I own","blueprint":"express"}`
		create := func(token, key, body string) got {
			return s.with(token, http.MethodPost, "/api/v1/projects", "Idempotency-Key", key, body)
		}
		first, again := create(ada, "key-1", body), create(ada, "key-1", body)
		if first.status != http.StatusCreated || string(first.raw) != string(again.raw) || again.status != first.status || again.header.Get("Idempotency-Replayed") != "true" {
			s.Errorf("%d %.200s, then %d %.200s", first.status, first.raw, again.status, again.raw)
		}
		s.refused(create(ada, "key-1", `{"idea":"Another"}`), http.StatusUnprocessableEntity, "idempotency.reused")
		s.refused(create(ada, "no key", body), http.StatusBadRequest, "idempotency.key")
		s.refused(create(ada, "key-2", `{"idea":""}`), http.StatusBadRequest, "project.invalid")
		if again := create(ada, "key-2", `{"idea":""}`); again.header.Get("Idempotency-Replayed") != "" {
			s.Errorf("a refusal was kept: %s", again.raw)
		}
		if other := create(eve, "key-1", body); other.status != http.StatusCreated || other.header.Get("Idempotency-Replayed") != "" {
			s.Errorf("the key of another: %d %s", other.status, other.raw)
		}
		answers := make(chan got, 20)
		for range cap(answers) {
			go func() { answers <- create(ada, "key-3", body) }()
		}
		for range cap(answers) {
			if a := <-answers; a.status != http.StatusCreated && a.body.Error.Code != "idempotency.in_progress" {
				s.Errorf("at once: %d %s", a.status, a.raw)
			}
		}
		if mine := s.rows(ada, "/api/v1/projects"); len(mine) != 2 {
			s.Errorf("%d projects", len(mine))
		}
	})
}

// What a person cannot be expected to send is refused before it costs anything.
func TestServedHostile(t *testing.T) {
	t.Parallel()
	s := serveOn(t, app.Settings{})
	ada := s.register("ada")
	var keys strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&keys, `,"a%d":0`, i)
	}
	for name, body := range map[string]string{
		"many fields":       `{"idea":"x"` + keys.String() + `}`,
		"a field of a path": `{"idea":"x","a.":0,"b.":0}`,
		"a second spelling": `{"idea":"x","Idea":"y"}`,
		"deep":              strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
	} {
		a := s.ask(ada, http.MethodPost, "/api/v1/projects", body)
		if a.status != http.StatusBadRequest || len(a.raw) > 20_000 {
			s.Errorf("%s: %d, %d bytes, %.200s", name, a.status, len(a.raw), a.raw)
		}
	}
	s.refused(s.ask("", http.MethodPost, "/api/v1/auth/login", `{"email":"`+strings.Repeat("x", 9000)+`"}`), http.StatusRequestEntityTooLarge, "request.too_large")
	s.refused(s.with(ada, http.MethodPost, "/api/v1/projects", "Content-Type", "text/plain", `{"idea":"x"}`), http.StatusUnsupportedMediaType, "request.media_type")
	for _, accept := range []string{"a;,b", "text/html", "application/xml;q=1"} {
		if a := s.with(ada, http.MethodGet, "/api/v1/me", "Accept", accept, ""); a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
			s.Errorf("Accept: %s: %d %s", accept, a.status, a.header.Get("Content-Type"))
		}
	}
	if a := s.with("", http.MethodPost, "/api/v1/auth/register", "X-Forwarded-For", "192.0.2.7", `{"email":"eve@example.org","password":"correct horse battery","name":"Eve"}`); a.body.Error.Code != "account.closed" {
		s.Errorf("registration through a proxy: %d %s", a.status, a.raw)
	}
	if a := s.ask(ada, http.MethodDelete, "/api/v1/projects", nil); a.header.Get("Allow") != "GET, POST" {
		s.Errorf("allowed: %q", a.header.Get("Allow"))
	}
	if a := s.ask("", http.MethodHead, "/health/ready", nil); a.status != http.StatusOK || len(a.raw) > 0 {
		s.Errorf("HEAD: %d %s", a.status, a.raw)
	}
	page := s.ask("", http.MethodGet, "/api/docs", nil)
	if page.status != http.StatusOK || !strings.Contains(string(page.raw), "/api/v1/gates/{id}/decision") || !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
		s.Errorf("the page of the interface: %d %.200s", page.status, page.raw)
	}
}

// How many queries a list takes does not depend on how many rows it has.
func TestServedListsTakeAFixedNumberOfQueries(t *testing.T) {
	t.Parallel()
	eachServer(t, func(s *served) {
		ada := s.register("ada")
		p := s.post(ada, "/api/v1/projects", map[string]any{"idea": "A tool to track the plants I own"})
		at := "/api/v1/projects/" + p.ID
		s.until(ada, p.ID, "G1")
		s.good(s.ask(ada, http.MethodPost, at+"/stop", nil), nil)
		handler, err := s.app.Handler(t.Context(), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		queries := func(path string) int64 {
			ctx, n := db.Counted(t.Context())
			r, w := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil), httptest.NewRecorder()
			r.Header.Set("Authorization", "Bearer "+ada)
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				s.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
			return n.Load()
		}
		few := map[string]int64{}
		lists := func() (out []string) {
			for path, methods := range s.contract.Paths {
				if _, ok := methods["get"]; ok && (path == "/api/v1/projects" || path == "/api/v1/inbox" || strings.HasPrefix(path, "/api/v1/projects/{id}/") && !strings.HasSuffix(path, "/export")) {
					path = strings.ReplaceAll(path, "{id}", p.ID)
					if strings.HasSuffix(path, "/file") || strings.HasSuffix(path, "/blame") {
						path += "?path=docs/INTAKE.md"
					}
					out = append(out, path)
				}
			}
			return out
		}
		for _, path := range lists() {
			if few[path] = queries(path); few[path] < 2 { // the session is one
				s.Errorf("%s took %d queries", path, few[path])
			}
		}
		if len(few) < 20 {
			s.Errorf("only %d lists: %v", len(few), few)
		}
		for i := range 5 {
			other := s.post(ada, "/api/v1/projects", map[string]any{"idea": fmt.Sprintf("A tool to track my books, shelf %d", i), "blueprint": "express"})
			s.good(s.ask(ada, http.MethodPost, "/api/v1/projects/"+other.ID+"/stop", nil), nil)
			s.post(ada, at+"/blockers", map[string]any{"gate": "G1", "title": "Frost", "severity": "critical"})
			s.post(ada, at+"/notes", map[string]any{"gate": "G1", "title": "Frost"})
			s.post(ada, at+"/comments", map[string]any{"path": "docs/INTAKE.md", "text": "@ada, look."})
		}
		for _, path := range lists() {
			if n := queries(path); n != few[path] {
				s.Errorf("%s took %d queries, and %d with more rows", path, few[path], n)
			}
		}
	})
}
