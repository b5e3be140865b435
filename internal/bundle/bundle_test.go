package bundle

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/repo"
)

// holds wants a verification without a broken claim.
func holds(t *testing.T, path string, opt Options) Report {
	t.Helper()
	r, err := verified(t, path, opt)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(r.Claims, "\n"))
	}
	return r
}

// breaks wants a broken claim whose sentence holds each of the words.
func breaks(t *testing.T, path string, opt Options, words ...string) {
	t.Helper()
	r, err := verified(t, path, opt)
	if !Broken(err) {
		t.Fatalf("nothing was found broken: %v\n%s", err, strings.Join(r.Claims, "\n"))
	}
	for _, w := range words {
		if !strings.Contains(fault.Public(err), w) {
			t.Errorf("%q is not in: %s", w, fault.Public(err))
		}
	}
}

func TestHonestRepositories(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*story{
		"completed": {},
		"half-way":  {open: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.t = t
			out := s.tell()
			r := holds(t, out, Options{RequireHuman: true})
			head := s.events[len(s.events)-1].Hash
			if !slices.ContainsFunc(r.Claims, func(c string) bool { return strings.Contains(c, head) }) {
				t.Errorf("the head %s of the chain is not named in %q", head, r.Claims)
			}
			clone := filepath.Join(t.TempDir(), "clone")
			git(t, filepath.Dir(out), "clone", "-q", out, clone)
			holds(t, clone, Options{Expect: head})
			if err := os.Mkdir(filepath.Join(clone, "empty"), 0o700); err != nil {
				t.Fatal(err)
			}
			holds(t, clone, Options{})
			holds(t, zipped(t, clone, "out/"), Options{})
			holds(t, zipped(t, clone, ""), Options{})
		})
	}
}

// What LayerCake exports as a zip verifies, with its links in place.
func TestHonestZip(t *testing.T) {
	t.Parallel()
	s := &story{t: t, link: "docs/START.md"}
	out := s.tell()
	holds(t, out, Options{})
	path := filepath.Join(t.TempDir(), "x.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.repo.ExportZip(t.Context(), f, ""), f.Close()); err != nil {
		t.Fatal(err)
	}
	holds(t, path, Options{})
}

// zipped makes a zip of a folder.
func zipped(t *testing.T, dir, prefix string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		w, err := z.Create(prefix + filepath.ToSlash(rel))
		if err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// What nobody approved is found, whether it was committed or not.
func TestFilesNobodyApproved(t *testing.T) {
	t.Parallel()
	const evil = "package main\n\nfunc init() { panic(1) }\n"
	commit := func(t *testing.T, dir string) {
		git(t, dir, "add", "-A")
		git(t, dir, "commit", "-qm", "more")
	}
	for name, c := range map[string]struct {
		open bool
		do   func(t *testing.T, dir string)
		want []string
	}{
		"a file beside":          {do: func(t *testing.T, dir string) { write(t, dir, "evil.go", evil) }, want: []string{"evil.go", "not part of", "clone"}},
		"a file in a new folder": {do: func(t *testing.T, dir string) { write(t, dir, "internal/x/evil.go", evil) }, want: []string{"internal/x/evil.go"}},
		"an ignored file":        {do: func(t *testing.T, dir string) { write(t, dir, "bin/tool", evil) }, want: []string{"bin/tool"}},
		"a file git is told to overlook": {do: func(t *testing.T, dir string) {
			write(t, dir, "main.go", evil)
			git(t, dir, "update-index", "--assume-unchanged", "main.go")
		}, want: []string{"main.go", "not what the commit holds"}},
		"an edited file of the same size": {do: func(t *testing.T, dir string) { write(t, dir, "main.go", "package main\n\nfunc main() {;\n") }, want: []string{"main.go"}},
		"a file behind a filter": {do: func(t *testing.T, dir string) {
			write(t, dir, ".git/info/attributes", "*.go filter=clean\n")
			git(t, dir, "config", "filter.clean.clean", "git show HEAD:main.go")
			write(t, dir, "main.go", evil)
		}, want: []string{".git/info/attributes"}},
		"converted line ends": {do: func(t *testing.T, dir string) {
			git(t, dir, "config", "core.autocrlf", "true")
			if err := os.Remove(filepath.Join(dir, "main.go")); err != nil {
				t.Fatal(err)
			}
			git(t, dir, "checkout", "main.go")
		}, want: []string{"main.go", "line ends"}},
		"a missing file": {do: func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "main.go")); err != nil {
				t.Fatal(err)
			}
		}, want: []string{"main.go", "missing"}},
		"a link in place of a file": {do: func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "main.go"), filepath.Join(dir, ".git", "main.go")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(".git/main.go", filepath.Join(dir, "main.go")); err != nil {
				t.Fatal(err)
			}
		}, want: []string{"main.go"}},
		"a pipe in place of a file": {do: func(t *testing.T, dir string) { pipe(t, filepath.Join(dir, "main.go")) }, want: []string{"main.go"}},
		"a pipe in place of the log": {do: func(t *testing.T, dir string) {
			pipe(t, filepath.Join(dir, flow.EvidenceRoot, "events.jsonl"))
		}, want: []string{"events.jsonl"}},
		"a commit on top": {do: func(t *testing.T, dir string) {
			write(t, dir, "evil.go", evil)
			commit(t, dir)
		}, want: []string{"evil.go", "nobody approved"}},
		"a commit on top of an open change": {open: true, do: func(t *testing.T, dir string) {
			write(t, dir, "main.go", evil)
			commit(t, dir)
		}, want: []string{"main.go", "G5 of change 1", "nobody approved"}},
		"another branch": {do: func(t *testing.T, dir string) { git(t, dir, "checkout", "-q", "gate/G5^") }, want: []string{"nobody decided"}},
		"a database at the top": {do: func(t *testing.T, dir string) {
			emptyData(t, dir)
			commit(t, dir)
		}, want: []string{databaseFile, "nobody approved"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := (&story{t: t, open: c.open}).tell()
			holds(t, out, Options{})
			c.do(t, out)
			breaks(t, out, Options{}, c.want...)
		})
	}
}

// A folder in which the next git command would run a program is not passed on as
// verified, neither as it is nor as a zip; a clone of it, which takes nothing of
// the kind along, is.
func TestWhatGitWouldRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(t *testing.T, dir string)
		want []string
	}{
		"a monitor of the files": {func(t *testing.T, dir string) {
			git(t, dir, "config", "core.fsmonitor", "touch "+filepath.Join(dir, "ran")+"; false")
		}, []string{".git/config", "core.fsmonitor"}},
		"a hook": {func(t *testing.T, dir string) {
			write(t, dir, ".git/hooks/post-checkout", "#!/bin/sh\ntouch ran\n")
			if err := os.Chmod(filepath.Join(dir, ".git/hooks/post-checkout"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, []string{".git/hooks/post-checkout", "is a hook"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := (&story{t: t}).tell()
			c.do(t, out)
			breaks(t, out, Options{}, c.want...)
			breaks(t, zipped(t, out, ""), Options{}, c.want...)
			if _, err := os.Stat(filepath.Join(out, "ran")); err == nil {
				t.Error("verify ran it")
			}
			clone := filepath.Join(t.TempDir(), "clone")
			git(t, filepath.Dir(out), "clone", "-q", out, clone)
			git(t, clone, "fetch", "-q", "--all")
			git(t, clone, "branch", "mine")
			git(t, clone, "gc", "-q")
			holds(t, clone, Options{})
		})
	}
}

// What keeps verify from finding out is not called broken: it proves nothing of
// what lies there.
func TestOwnTroubleIsNotBroken(t *testing.T) {
	t.Parallel()
	out := (&story{t: t}).tell()
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("told to stop"))
	archive := zipped(t, out, "")
	bare := t.TempDir()
	write(t, bare, "README.md", "# Plants\n")
	linked := filepath.Join(t.TempDir(), "linked")
	git(t, out, "worktree", "add", "-q", linked)
	for name, c := range map[string]struct {
		ctx  context.Context
		path string
		code string
	}{
		"a caller that goes away from a repository": {cancelled, out, "internal"},
		"a caller that goes away from a zip":        {cancelled, archive, "internal"},
		"a zip without a repository":                {t.Context(), zipped(t, bare, ""), "verify.path"},
		"a zip over the limit":                      {t.Context(), overLimit(t), "verify.zip"},
		"what is no zip":                            {t.Context(), filepath.Join(out, "main.go"), "verify.path"},
		"a worktree of another repository":          {t.Context(), linked, "repo.none"},
	} {
		if _, err := Verify(c.ctx, c.path, Options{}); err == nil || Broken(err) || fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v (%s), want %s", name, err, fault.CodeOf(err), c.code)
		}
	}
	if err := full(&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}); fault.KindOf(err) != fault.KindFull {
		t.Errorf("a full disk: %v", err)
	}
	if err := unread(&repo.Deviation{Path: "x", What: "cannot be read", Unread: fs.ErrPermission}); Broken(err) || !fault.Ours(err) {
		t.Errorf("an unreadable file: %v", err)
	}
}

// overLimit is a zip that says of itself that it unpacks to more than is allowed.
func overLimit(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	_, err = z.CreateRaw(&zip.FileHeader{Name: "a", UncompressedSize64: maxZipBytes + 1})
	if err := errors.Join(err, z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func pipe(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A history that was written anew with every hash in place still has to be one
// that the platform would have recorded.
func TestHistoriesThatProveNothing(t *testing.T) {
	t.Parallel()
	without := func(typ string) func(string, map[string]any) bool {
		return func(t string, _ map[string]any) bool { return t != typ }
	}
	edited := func(typ, gate, key string, value any) func(string, map[string]any) bool {
		return func(t string, data map[string]any) bool {
			if t == typ && (gate == "" || data["gate"] == gate) {
				data[key] = value
			}
			return true
		}
	}
	at := func(code string, fn func(st *flow.Statement)) func(string, *flow.Statement) {
		return func(c string, st *flow.Statement) {
			if c == code {
				fn(st)
			}
		}
	}
	for name, c := range map[string]struct {
		story
		want []string
	}{
		"no event":                   {story{event: func(string, map[string]any) bool { return false }}, []string{"head.json", "names no project"}},
		"no decision":                {story{open: true, event: without("gate.approved")}, []string{"nobody decided"}},
		"completed without decision": {story{event: without("gate.approved")}, []string{"change 1", "nobody decided"}},
		"no project":                 {story{event: without("project.created")}, []string{"event 1"}},
		"no change":                  {story{event: without("change.created")}, []string{"G0 of change 1"}},
		"no gates":                   {story{event: edited("change.created", "", "gates", nil)}, []string{"which gates"}},
		"a gate left out":            {story{event: without("gate.skipped")}, []string{"G1", "approved or skipped"}},
		"a decision left out": {story{event: func(typ string, data map[string]any) bool {
			return typ != "gate.approved" || data["gate"] != "G5"
		}}, []string{"G5", "approved or skipped"}},
		"a gate sent back": {story{event: edited("gate.skipped", "", "change", 2)}, []string{"G1 of change 2"}},
		"no proof":         {story{statement: at("G5", func(st *flow.Statement) { st.Proofs = nil })}, []string{"G5", "build_output"}},
		"no proof asked for": {
			story{statement: at("G5", func(st *flow.Statement) { st.Proofs, st.Required = nil, nil })},
			[]string{"G5", "other proofs"},
		},
		"a proof without event": {story{event: without("proof.finished")}, []string{"G0", "workspace_ready", "know nothing"}},
		"a proof of another gate": {story{statement: at("G5", func(st *flow.Statement) {
			st.Required, st.Proofs[0].ID, st.Proofs[0].Type = []string{"build_output"}, "prf_G0", "build_output"
		})}, []string{"G5", "build_output", "G0"}},
		"a red proof":      {story{event: edited("proof.finished", "G5", "verdict", "fail")}, []string{"G5", "build_output"}},
		"no isolation":     {story{event: edited("proof.finished", "G5", "isolation", "host")}, []string{"G5", "without isolation"}},
		"no log":           {story{event: edited("proof.finished", "G5", "logSha256", "")}, []string{"G5", "without a log"}},
		"changed figures":  {story{statement: at("G5", func(st *flow.Statement) { st.Proofs[0].Figures["ms"] = 1 })}, []string{"G5", "build_output"}},
		"a changed reason": {story{statement: at("G5", func(st *flow.Statement) { st.Proofs[0].Reason = "well" })}, []string{"G5", "build_output"}},
		"changed inputs":   {story{statement: at("G5", func(st *flow.Statement) { st.Proofs[0].InputsDigest = "x" })}, []string{"G5", "build_output"}},
		"an invented waiver": {story{
			statement: at("G5", func(st *flow.Statement) {
				st.Proofs, st.Waivers = nil, []gate.Waiver{{ID: "wai_1", Code: "G5", Rule: "proof"}}
			}),
		}, []string{"G5", "wai_1"}},
		"a document that is not there": {story{
			statement: at("G5", func(st *flow.Statement) { st.Deliverables = []flow.Certified{{Path: "docs/NONE.md"}} }),
		}, []string{"docs/NONE.md", "G5"}},
		"a decision that brings code": {story{commit: func(code string, put map[string][]byte) {
			if code == "G5" {
				put["evil.go"] = []byte("package main\n")
			}
		}}, []string{"G5", "evil.go"}},
		"work after the last decision": {story{late: map[string]string{"evil.go": "package main\n"}}, []string{"evil.go", "G5", "completed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.t = t
			breaks(t, c.tell(), Options{}, c.want...)
		})
	}
}

// What a waiver sets aside is named, and verifies.
func TestWaivers(t *testing.T) {
	t.Parallel()
	grant := func(s *story, code, rule, subject string) {
		s.add(alice, "waiver.granted", map[string]any{
			"waiver": "wai_1", "change": 1, "gate": code, "rule": rule, "subject": subject, "owner": "bob", "reason": "r", "expiresAt": "2030-01-01T00:00:00Z",
		})
	}
	t.Run("a proof", func(t *testing.T) {
		t.Parallel()
		s := &story{t: t}
		s.statement = func(code string, st *flow.Statement) {
			if code == "G5" {
				st.Proofs, st.Waivers = nil, []gate.Waiver{{ID: "wai_1", Code: "G5", Rule: "proof", Subject: "build_output"}}
			}
		}
		s.event = func(typ string, data map[string]any) bool {
			if typ == "proof.queued" && data["gate"] == "G5" {
				grant(s, "G5", "proof", "build_output")
			}
			return true
		}
		r := holds(t, s.tell(), Options{})
		if text := strings.Join(r.Claims, "\n"); !strings.Contains(text, "but for build_output") {
			t.Errorf("the waiver is not named:\n%s", text)
		}
	})
	t.Run("a gate", func(t *testing.T) {
		t.Parallel()
		s := &story{t: t, late: map[string]string{"late.go": "package main\n"}}
		s.event = func(typ string, _ map[string]any) bool {
			if typ == "gate.skipped" {
				grant(s, "G1", "gate", "")
			}
			return typ != "gate.skipped"
		}
		r := holds(t, s.tell(), Options{})
		if text := strings.Join(r.Claims, "\n"); !strings.Contains(text, "set G1 aside") || !strings.Contains(text, "late.go") {
			t.Errorf("the waiver is not named:\n%s", text)
		}
	})
}

// An open promise that is due at a gate stands in its way.
func TestOpenPromise(t *testing.T) {
	t.Parallel()
	s := &story{t: t}
	s.event = func(typ string, data map[string]any) bool {
		if typ == "gate.skipped" {
			s.add(platform, "condition.promised", map[string]any{"change": 1, "gate": "G0", "condition": "con_1", "due": "G5"})
		}
		return true
	}
	breaks(t, s.tell(), Options{}, "G5", "con_1")
}

func TestEmptyEvidence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	write(t, dir, flow.EvidenceRoot+"/head.json", `{"project": "prj_1"}`)
	write(t, dir, flow.EvidenceRoot+"/events.jsonl", "")
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "x")
	breaks(t, dir, Options{}, "no event")
}

func TestExpectedHead(t *testing.T) {
	t.Parallel()
	s := &story{t: t}
	out := s.tell()
	last := s.events[len(s.events)-1].Hash
	holds(t, out, Options{Expect: last})
	breaks(t, out, Options{Expect: s.events[3].Hash}, "event 4", "gone on")
	breaks(t, out, Options{Expect: strings.Repeat("0", 64)}, "another history")
	if _, err := verified(t, out, Options{Expect: "abc"}); fault.CodeOf(err) != "verify.expect" {
		t.Errorf("a hash of three digits: %v", err)
	}
}

// emptyData makes a data folder's database without a project.
func emptyData(t *testing.T, dir string) {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{Path: filepath.Join(dir, databaseFile)})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.MigrateUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// A data folder without a project proves nothing, and looking at it makes none of
// its folders and writes nothing into its database.
func TestEmptyDataFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	emptyData(t, dir)
	path := filepath.Join(dir, databaseFile)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	breaks(t, dir, Options{}, "no project")
	after, err := os.ReadFile(path)
	if err != nil || string(before) != string(after) {
		t.Errorf("the database was changed: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), databaseFile) {
			t.Errorf("verify made %s", e.Name())
		}
	}
	foreign := t.TempDir()
	write(t, foreign, databaseFile, "")
	breaks(t, foreign, Options{}, databaseFile)
	if info, err := os.Stat(filepath.Join(foreign, databaseFile)); err != nil || info.Size() != 0 {
		t.Errorf("the empty file was written to: %v", err)
	}
}

// A zip is unpacked into its folder, within its budget, and never out of it.
func TestUnzip(t *testing.T) {
	t.Parallel()
	type entry struct {
		name string
		size int
	}
	for name, c := range map[string]struct {
		entries []entry
		links   []string // path and target in turn, at the end of the zip
		budget  uint64
		want    string
	}{
		"within":                    {[]entry{{"a", 500}, {"b/c", 524}}, nil, 1 << 10, ""},
		"one too large":             {[]entry{{"a", 1025}}, nil, 1 << 10, "more than"},
		"together too much":         {[]entry{{"a", 600}, {"b", 600}}, nil, 1 << 10, "more than"},
		"twice the same":            {[]entry{{"a", 1}, {"a", 2}}, nil, 1 << 10, "twice"},
		"links within":              {[]entry{{"a", 1}, {"b/c", 1}}, []string{"b/d", "../a", "e/f", "../b"}, 1 << 10, ""},
		"a link out of the folder":  {nil, []string{"b/d", "../../a"}, 1 << 10, "leads out"},
		"a link to a system's file": {nil, []string{"b/d", "/etc/passwd"}, 1 << 10, "leads out"},
		"a link into .git":          {nil, []string{"d", ".git/config"}, 1 << 10, "leads out"},
		"a link with a long target": {nil, []string{"d", strings.Repeat("a/", 1000)}, 1 << 12, "leads out"},
		"a link twice":              {nil, []string{"d", "a", "d", "b"}, 1 << 10, "twice"},
		"a link in place of a file": {[]entry{{"d", 1}}, []string{"d", "a"}, 1 << 10, "twice"},
		"a link behind a file":      {[]entry{{"d", 1}}, []string{"d/e", "a"}, 1 << 10, "twice"},
		"a file behind a link":      {[]entry{{"d/e", 1}}, []string{"d", "a"}, 1 << 10, "twice"},
		"a link behind a link":      {nil, []string{"a/b", "..", "a/b/c/d", "../../../x"}, 1 << 10, "twice"},
		"out of the folder":         {[]entry{{"../a", 1}}, nil, 1 << 10, "leads out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, dir := filepath.Join(t.TempDir(), "x.zip"), t.TempDir()
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			z := zip.NewWriter(f)
			for _, e := range c.entries {
				w, err := z.Create(e.name)
				if err == nil {
					_, err = io.WriteString(w, strings.Repeat("0", e.size))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for i := 0; i < len(c.links); i += 2 {
				h := &zip.FileHeader{Name: c.links[i]}
				h.SetMode(fs.ModeSymlink | 0o777)
				w, err := z.CreateHeader(h)
				if err == nil {
					_, err = io.WriteString(w, c.links[i+1])
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			err = unzip(context.WithoutCancel(t.Context()), path, dir, c.budget)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(fault.Public(err), c.want)) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			for i := 0; c.want == "" && i < len(c.links); i += 2 {
				if target, err := os.Readlink(filepath.Join(dir, c.links[i])); target != c.links[i+1] {
					t.Errorf("%s leads to %q, %v", c.links[i], target, err)
				}
			}
			if written, err := os.ReadDir(dir); err == nil && c.want == "more than" && len(written) > 0 {
				t.Errorf("%d entries were unpacked before it was refused", len(written))
			}
		})
	}
}
