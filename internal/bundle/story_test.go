package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/repo"
)

// story tells a small project as the platform would have recorded it: G0, a
// skipped G1, and G5 with a proof. The hooks let somebody rewrite it, in which
// case every hash and tag is made to fit, as a forger would.
type story struct {
	t         *testing.T
	event     func(typ string, data map[string]any) bool // false leaves the event out
	statement func(code string, st *flow.Statement)
	commit    func(code string, put map[string][]byte) // what records a decision
	late      map[string]string                        // files that are merged after the last decision
	open      bool                                     // the change is not completed
	link      string                                   // a link to the project's description that comes with the code

	repo   *repo.Repo
	head   string
	clock  time.Time
	events []event.Event
	tags   []flow.Tag
}

var (
	alice    = event.Actor{Kind: event.Person, ID: "os:alice"}
	platform = event.Actor{Kind: event.Platform, ID: "layercake"}
	author   = repo.Signature{Name: "LayerCake", Email: "platform@layercake.invalid"}
)

const buildLog = "ok\n"

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) add(actor event.Actor, typ string, data map[string]any) event.Event {
	s.t.Helper()
	if s.event != nil && !s.event(typ, data) {
		return event.Event{}
	}
	raw, err := json.Marshal(data)
	s.must(err)
	s.clock = s.clock.Add(time.Second)
	e := event.Event{Project: "prj_1", Seq: int64(len(s.events)) + 1, Type: typ, Actor: actor, Data: raw, At: db.Time{Time: s.clock}}
	if n := len(s.events); n > 0 {
		e.Prev = s.events[n-1].Hash
	}
	e.Hash = event.Sum(e)
	s.events = append(s.events, e)
	return e
}

func (s *story) put(message string, put map[string][]byte) {
	s.t.Helper()
	head, err := s.repo.Commit(s.t.Context(), repo.CommitSpec{Parent: s.head, Put: put, Author: author, When: s.clock, Message: message, Allow: repo.AllowAll})
	s.must(err)
	s.head = head
}

// log adds the repository's copy of the events.
func (s *story) log(put map[string][]byte) map[string][]byte {
	var lines []byte
	chain := flow.Chain{}
	for _, e := range s.events {
		line, err := json.Marshal(e)
		s.must(err)
		lines = append(append(lines, line...), '\n')
		chain.Project, chain.Seq, chain.Hash = e.Project, e.Seq, e.Hash
	}
	head, err := json.Marshal(chain)
	s.must(err)
	put[flow.EvidenceRoot+"/events.jsonl"], put[flow.EvidenceRoot+"/head.json"] = lines, head
	return put
}

// decide records that a person approved a gate, on one proof.
func (s *story) decide(code, typ string) {
	s.t.Helper()
	proof := "prf_" + code
	s.add(platform, "proof.queued", map[string]any{"change": 1, "gate": code, "proof": proof, "type": typ, "commit": s.head})
	finished := map[string]any{
		"gate": code, "proof": proof, "type": typ, "commit": s.head, "verdict": "pass", "reason": "it builds", "figures": map[string]any{"ms": 12.0},
		"logSha256": sum([]byte(buildLog)), "isolation": "bubblewrap", "inputs": "digest", "release": false,
	}
	s.add(platform, "proof.finished", finished)
	d := gate.Decision{
		ID: "dec_" + code, Project: "prj_1", Code: code, Kind: gate.Approve, Method: gate.Session, Actor: "person:" + alice.ID, Head: s.head,
		DocumentDigest: "documents", WorkDigest: "work", At: db.Time{Time: s.clock}, Tag: flow.TagName(1, code, 1),
	}
	text := func(key string) string { v, _ := finished[key].(string); return v }
	st := flow.Statement{
		Version: 1, Project: "prj_1", Change: 1, Gate: code, Decision: d, Deliverables: []flow.Certified{}, Required: []string{typ}, Waivers: []gate.Waiver{},
		Proofs: []flow.Evidence{{
			ID: proof, Type: typ, Source: "platform", Isolation: text("isolation"), Commit: s.head, InputsDigest: "digest", Verdict: text("verdict"), Reason: "it builds",
			Figures: map[string]float64{"ms": 12}, LogSHA256: text("logSha256"), Log: logPath(text("logSha256")),
		}},
	}
	if s.statement != nil {
		s.statement(code, &st)
	}
	data, err := json.Marshal(st)
	s.must(err)
	put := s.log(map[string][]byte{flow.StatementPath(1, code, 1): data, logPath(sum([]byte(buildLog))): []byte(buildLog)})
	if s.commit != nil {
		s.commit(code, put)
	}
	s.put(code+" approved", put)
	e := s.add(alice, "gate.approved", map[string]any{
		"change": 1, "gate": code, "decision": d.ID, "method": d.Method, "head": d.Head, "commit": s.head, "tag": d.Tag, "documents": "documents", "work": "work",
		"required": []string{typ},
	})
	if e.Seq > 0 {
		d.EventSeq, d.EventHash = e.Seq, e.Hash
		s.tags = append(s.tags, flow.Tag{Name: d.Tag, Commit: s.head, Message: flow.TagMessage(d), At: s.clock})
	}
}

// linked commits a symbolic link at path, as an agent does.
func (s *story) linked(path string) (commit string) {
	s.t.Helper()
	tree, err := s.repo.Worktree(s.t.Context(), "run_1", s.head)
	s.must(err)
	s.must(os.Symlink("PROJECT.md", filepath.Join(tree.Dir(), filepath.FromSlash(path))))
	commit, _, err = tree.Commit(s.t.Context(), repo.CommitSpec{Author: author, When: s.clock, Message: "Link"})
	s.must(err)
	return commit
}

// tell makes the repository and returns its folder.
func (s *story) tell() string {
	s.t.Helper()
	ctx, dir := s.t.Context(), s.t.TempDir()
	store, err := repo.Open(filepath.Join(dir, "repos"))
	s.must(err)
	defer func() { s.must(store.Close()) }()
	s.repo, err = store.Create(ctx, "prj_1")
	s.must(err)
	s.clock = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.put("Begin", map[string][]byte{"docs/PROJECT.md": []byte("# Project\n")})
	s.add(alice, "project.created", map[string]any{"name": "x"})
	s.add(alice, "change.created", map[string]any{"change": 1, "gates": []string{"G0", "G1", "G5"}, "base": s.head})
	s.decide("G0", "workspace_ready")
	s.add(platform, "gate.skipped", map[string]any{"change": 1, "gate": "G1", "reason": "no need"})
	s.put("Code", map[string][]byte{"main.go": []byte("package main\n\nfunc main() {}\n"), ".gitignore": []byte("/bin/\n")})
	if s.link != "" {
		s.head = s.linked(s.link)
	}
	s.decide("G5", "build_output")
	for name, text := range s.late {
		s.put("Late work", map[string][]byte{name: []byte(text)})
	}
	if !s.open {
		s.add(platform, "change.completed", map[string]any{"change": 1, "number": 1, "head": s.head})
	}
	s.put("Record of change 1", s.log(map[string][]byte{}))
	s.must(s.repo.SetRef(ctx, repo.MainRef, s.head))
	for _, tag := range s.tags {
		s.must(s.repo.Tag(ctx, tag.Name, tag.Commit, tag.Message, author, tag.At))
	}
	out := filepath.Join(dir, "out")
	s.must(s.repo.ExportFolder(ctx, out))
	return out
}

// git runs the system's git as the owner of a folder would.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// verified verifies with a deadline, because nothing may make it wait.
func verified(t *testing.T, path string, opt Options) (Report, error) {
	t.Helper()
	type answer struct {
		report Report
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		r, err := Verify(context.WithoutCancel(t.Context()), path, opt)
		done <- answer{r, err}
	}()
	select {
	case a := <-done:
		return a.report, a.err
	case <-time.After(time.Minute):
		t.Fatal(fmt.Errorf("verifying %s does not end", path))
	}
	panic("unreachable")
}
