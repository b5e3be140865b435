package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/db"
)

// edit changes a file, commits the change when commit is set, and returns what
// verify says.
func (p *place) verifyEdited(t *testing.T, repository, name string, commit bool, change func([]byte) []byte) answer {
	t.Helper()
	clone := filepath.Join(t.TempDir(), "clone")
	inside(t, filepath.Dir(repository), "git", "clone", "--quiet", repository, clone)
	path := filepath.Join(clone, name)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := change(bytes.Clone(before))
	if bytes.Equal(before, after) {
		t.Fatalf("%s was not changed", name)
	}
	if err := os.WriteFile(path, after, 0o600); err != nil {
		t.Fatal(err)
	}
	if commit {
		inside(t, clone, "git", "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qam", "tamper")
	}
	return p.run("verify", clone)
}

// tamper changes one byte here and there; verify has to name it each time.
func tamper(t *testing.T, p *place, repository string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(repository, ".layercake/evidence/logs/*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs: %v", err)
	}
	log := ".layercake/evidence/logs/" + filepath.Base(logs[0])
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	cut := func(b []byte) []byte {
		lines := bytes.SplitAfter(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
		return bytes.Join(lines[:len(lines)-1], nil)
	}
	for _, c := range []struct {
		name, file string
		commit     bool
		change     func([]byte) []byte
		names      string
	}{
		{"a byte of a log", log, true, flip, "log"},
		{"a byte of an event", ".layercake/evidence/events.jsonl", true, flip, "event"},
		{"the last event cut off", ".layercake/evidence/events.jsonl", true, cut, "event"},
		{"an event of the working copy", ".layercake/evidence/events.jsonl", false, flip, "event"},
		{"the head of the chain", ".layercake/evidence/head.json", true, func(b []byte) []byte { return bytes.Replace(b, []byte(`"seq": `), []byte(`"seq": 1`), 1) }, "event"},
		{"a verdict in a statement", ".layercake/evidence/c1/G6.json", true, func(b []byte) []byte { return bytes.Replace(b, []byte("pass"), []byte("pazz"), 1) }, "G6"},
		{"the method of a decision", ".layercake/evidence/c1/G3.json", true, func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"method": "delegated"`), []byte(`"method": "terminal"`), 1)
		}, "G3"},
	} {
		a := p.verifyEdited(t, repository, c.file, c.commit, c.change)
		if a.code != 1 || !strings.HasPrefix(lastLine(a.stdout), "BROKEN") || !strings.Contains(lastLine(a.stdout), c.names) {
			t.Errorf("%s: exit %d, last line %q", c.name, a.code, lastLine(a.stdout))
		}
	}
	clone := filepath.Join(t.TempDir(), "clone")
	inside(t, filepath.Dir(repository), "git", "clone", "--quiet", repository, clone)
	inside(t, clone, "git", "tag", "-d", "gate/G4")
	if a := p.run("verify", clone); a.code != 1 || !strings.Contains(lastLine(a.stdout), "gate/G4") {
		t.Errorf("a missing tag: exit %d, %q", a.code, lastLine(a.stdout))
	}
	tamperSource(t, p, repository)
	tamperData(t, p)
}

// tamperSource adds and changes source after the last decision.
func tamperSource(t *testing.T, p *place, repository string) {
	t.Helper()
	const evil = "package main\n\nfunc init() { panic(1) }\n"
	for _, name := range []string{"evil.go", "go.mod", "bin/evil.go"} {
		for _, commit := range []bool{false, true} {
			clone := filepath.Join(t.TempDir(), "clone")
			inside(t, filepath.Dir(repository), "git", "clone", "--quiet", repository, clone)
			path := filepath.Join(clone, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(evil), 0o600); err != nil {
				t.Fatal(err)
			}
			if commit {
				inside(t, clone, "git", "add", "-A", "-f")
				inside(t, clone, "git", "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "more")
			}
			if a := p.run("verify", clone); a.code != 1 || !strings.HasPrefix(lastLine(a.stdout), "BROKEN  "+name) {
				t.Errorf("%s, committed %v: exit %d, last line %q", name, commit, a.code, lastLine(a.stdout))
			}
		}
	}
}

// tamperData does the same to the data folder, one row or file at a time, and
// puts it back.
func tamperData(t *testing.T, p *place) {
	t.Helper()
	file := filepath.Join(p.data, "layercake.db")
	run := func(statement string) {
		t.Helper()
		inspect(t, file, func(ctx context.Context, tx *db.Tx) error {
			n, err := tx.Exec(ctx, statement)
			if err == nil && n == 0 {
				t.Errorf("nothing was changed by %s", statement)
			}
			return err
		})
	}
	for _, c := range []struct{ name, do, undo, names string }{
		{"the data of an event", `UPDATE events SET data = replace(data, 'G2', 'G9') WHERE seq = 60`, `UPDATE events SET data = replace(data, 'G9', 'G2') WHERE seq = 60`, "event 60"},
		{"the verdict of a proof", `UPDATE proofs SET verdict = 'fail' WHERE type = 'lint_output'`, `UPDATE proofs SET verdict = 'pass' WHERE type = 'lint_output'`, "lint_output"},
		{"the method of a decision", `UPDATE decisions SET method = 'session' WHERE code = 'G5'`, `UPDATE decisions SET method = 'delegated' WHERE code = 'G5'`, "G5"},
		{"the isolation of a proof", `UPDATE proofs SET isolation = 'host' WHERE type = 'sbom'`, `UPDATE proofs SET isolation = 'bubblewrap' WHERE type = 'sbom'`, "sbom"},
		{"the reason of a proof", `UPDATE proofs SET reason = reason || '!' WHERE type = 'secret_scan'`, `UPDATE proofs SET reason = substr(reason, 1, length(reason) - 1) WHERE type = 'secret_scan'`, "secret_scan"},
		{"the figures of a proof", `UPDATE proofs SET figures = '{"coverage":100}' || figures WHERE type = 'coverage_report'`, `UPDATE proofs SET figures = substr(figures, 17) WHERE type = 'coverage_report'`, "coverage_report"},
		{"the inputs of a proof", `UPDATE proofs SET inputs_digest = inputs_digest || '0' WHERE type = 'build_output'`, `UPDATE proofs SET inputs_digest = substr(inputs_digest, 1, 64) WHERE type = 'build_output'`, "build_output"},
		{"a skipped gate", `UPDATE gates SET status = 'SKIPPED' WHERE code = 'G7'`, `UPDATE gates SET status = 'APPROVED' WHERE code = 'G7'`, "G7"},
		{"the head of the project", `UPDATE projects SET head = (SELECT base_commit FROM changes)`, `UPDATE projects SET head = (SELECT to_commit FROM moves ORDER BY seq DESC LIMIT 1)`, "main"},
		{"a head that is not there", `UPDATE projects SET head = 'a' || substr(head, 2, 38) || 'a'`, `UPDATE projects SET head = (SELECT to_commit FROM moves ORDER BY seq DESC LIMIT 1)`, "head"},
		{"a cut-off tail", `UPDATE events SET seq = seq + 100000 WHERE seq = (SELECT MAX(seq) FROM events)`, `UPDATE events SET seq = seq - 100000 WHERE seq > 100000`, "event"},
	} {
		run(c.do)
		a := p.run("verify", p.data)
		run(c.undo)
		if a.code != 1 || !strings.Contains(lastLine(a.stdout), c.names) {
			t.Errorf("%s: exit %d, last line %q", c.name, a.code, lastLine(a.stdout))
		}
	}
	tamperRepository(t, p)
	var key string
	inspect(t, file, func(ctx context.Context, tx *db.Tx) error {
		return tx.One(ctx, &key, `SELECT log_key FROM proofs WHERE verdict = 'pass' AND source = 'platform' LIMIT 1`)
	})
	path, err := find(filepath.Join(p.data, "blobs"), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("all tests passed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := p.run("verify", p.data); a.code != 1 || !strings.Contains(lastLine(a.stdout), "log") {
		t.Errorf("a changed log: exit %d, last line %q", a.code, lastLine(a.stdout))
	}
}

// tamperRepository does the same to the repository in the data folder.
func tamperRepository(t *testing.T, p *place) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(p.data, "repos", "*", "git"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("repositories %v: %v", dirs, err)
	}
	dir := dirs[0]
	ref := func(name string) string { return strings.TrimSpace(inside(t, dir, "git", "rev-parse", name)) }
	main, third, fourth := ref("refs/heads/main"), ref("refs/tags/gate/G3"), ref("refs/tags/gate/G4")
	update := func(name, id string) { inside(t, dir, "git", "update-ref", name, id) }
	forged := strings.TrimSpace(inside(t, dir, "git", "-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree", "-p", main, "-m", "more", main+"^{tree}"))
	for _, c := range []struct {
		name     string
		do, undo func()
		names    string
	}{
		{"a missing tag", func() { inside(t, dir, "git", "update-ref", "-d", "refs/tags/gate/G3") }, func() { update("refs/tags/gate/G3", third) }, "gate/G3"},
		{"a tag on another commit", func() { update("refs/tags/gate/G3", fourth) }, func() { update("refs/tags/gate/G3", third) }, "gate/G3"},
		{"a tag of nobody", func() { update("refs/tags/gate/G9", main) }, func() { inside(t, dir, "git", "update-ref", "-d", "refs/tags/gate/G9") }, "gate/G9"},
		{"main on a commit of nobody", func() { update("refs/heads/main", forged) }, func() { update("refs/heads/main", main) }, "main"},
		{"no repository", func() { move(t, dir, dir+".away") }, func() { move(t, dir+".away", dir) }, "repository"},
	} {
		c.do()
		a := p.run("verify", p.data)
		c.undo()
		if a.code != 1 || !strings.HasPrefix(lastLine(a.stdout), "BROKEN") || !strings.Contains(lastLine(a.stdout), c.names) {
			t.Errorf("%s: exit %d, last line %q", c.name, a.code, lastLine(a.stdout))
		}
	}
	if a := p.run("verify", p.data); a.code != 0 {
		t.Errorf("all was put back: exit %d, last line %q", a.code, lastLine(a.stdout))
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func find(root, name string) (string, error) {
	found := ""
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Base(path) == name {
			found = path
		}
		return err
	})
	if err == nil && found == "" {
		err = fmt.Errorf("%s is not below %s", name, root)
	}
	return found, err
}
