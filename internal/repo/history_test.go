package repo

import (
	"strings"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	a := put(t, r, "", "a", "1\n2\n3\n", "b", "x\n")
	c := spec(10, "second")
	c.Parent, c.Put, c.Delete, c.Author.Name = a, map[string][]byte{"a": []byte("1\ntwo\n3\n"), "ü ber": []byte("new\n")}, []string{"b"}, "Zoë"
	b, err := r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	log, err := r.Log(t.Context(), b, 0)
	if err != nil || len(log) != 2 || log[0].Commit != b || log[1].Commit != a || log[1].Subject != "put" {
		t.Fatal(log, err)
	}
	if log, err = r.Log(t.Context(), b, 1); err != nil || len(log) != 1 {
		t.Fatal(log, err)
	}
	for _, c := range []struct {
		from, to string
		want     []string
	}{{a, b, []string{"a", "b", "ü ber"}}, {b, a, []string{"a", "b", "ü ber"}}, {"", a, []string{"a", "b"}}, {a, a, nil}} {
		got, err := r.Changed(t.Context(), c.from, c.to)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "changed", got, c.want)
	}
	for _, c := range []struct {
		ancestor, commit string
		want             bool
	}{{a, b, true}, {b, a, false}, {a, a, true}} {
		if got, err := r.IsAncestor(t.Context(), c.ancestor, c.commit); err != nil || got != c.want {
			t.Fatal(c, got, err)
		}
	}
	diff, err := r.Diff(t.Context(), a, b)
	if err != nil || !strings.Contains(diff, "-2\n+two\n") || !strings.Contains(diff, "+++ b/ü ber") || !strings.Contains(diff, "deleted file") {
		t.Fatal(diff, err)
	}
	if diff, err = r.Diff(t.Context(), a, b, "a"); err != nil || !strings.Contains(diff, "+two") || strings.Contains(diff, "ber") {
		t.Fatal(diff, err)
	}
	if diff, err = r.Diff(t.Context(), "", a, "b"); err != nil || !strings.Contains(diff, "+x") {
		t.Fatal(diff, err)
	}
	if diff, err = r.Diff(t.Context(), a, b, "*"); err != nil || diff != "" {
		t.Fatal("a path was read as a pattern", diff, err)
	}
	_, err = r.Diff(t.Context(), a, b, "--output=/tmp/x")
	refused(t, err, fault.KindInvalid, "repo.path")
	_, err = r.Diff(t.Context(), a, "--output=/tmp/x")
	refused(t, err, fault.KindInvalid, "repo.commit")

	blame, err := r.Blame(t.Context(), b, "a")
	if err != nil {
		t.Fatal(err)
	}
	first := BlameLine{Line: 1, Commit: a, Author: spec(0, "").Author, When: time.Unix(1_700_000_000, 0).UTC(), Text: "1"}
	second := BlameLine{Line: 2, Commit: b, Author: Signature{Name: "Zoë", Email: "ada@example.org"}, When: time.Unix(1_700_000_010, 0).UTC(), Text: "two"}
	third := first
	third.Line, third.Text = 3, "3"
	equal(t, "blame", blame, []BlameLine{first, second, third})
	for path, code := range map[string]string{"none": "repo.no_file", "../a": "repo.path", "-L1,2": "repo.path"} {
		_, err := r.Blame(t.Context(), b, path)
		if fault.CodeOf(err) != code {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestDiffIsCut(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	a := put(t, r, "", "a", "1\n")
	b := put(t, r, a, "big", strings.Repeat("0123456789012345678901234567890\n", MaxDiff/16), "binary", "\x00\xff", "latin", "\xe4\n")
	diff, err := r.Diff(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	if len(diff) > MaxDiff+100 || len(diff) < MaxDiff-100 || !strings.HasSuffix(diff, "see the rest.\n") {
		t.Fatalf("%d bytes, ends with %q", len(diff), diff[len(diff)-80:])
	}
	if diff, err = r.Diff(t.Context(), a, b, "binary", "latin"); err != nil || !strings.Contains(diff, "Binary files") || !strings.Contains(diff, "+\uFFFD\n") {
		t.Fatal(diff, err)
	}
	// The same bytes exactly at the limit of a run of git that may not be cut.
	_, err = r.run(t.Context(), call{args: []string{"cat-file", "blob", objectID("blob", []byte("1\n"))}, limit: 1})
	refused(t, err, fault.KindTooLarge, "repo.output")
	if out, err := r.run(t.Context(), call{args: []string{"cat-file", "blob", objectID("blob", []byte("1\n"))}, limit: 2}); err != nil || string(out) != "1\n" {
		t.Fatal(string(out), err)
	}
}
