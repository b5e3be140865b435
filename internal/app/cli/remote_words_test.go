package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/app/client"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

func row(id, name string) api.ProjectRow {
	return api.ProjectRow{Project: project.Project{ID: id, Name: name}}
}

// A project is what words fit best: an id or a whole name goes before a beginning.
func TestProjectsByWords(t *testing.T) {
	t.Parallel()
	all := []api.ProjectRow{row("prj_a1", "Plants"), row("prj_a2", "Plants and pots"), row("prj_b1", "Äpfel")}
	for words, want := range map[string]string{
		"prj_a1": "prj_a1", "plants": "prj_a1", "PLANTS AND": "prj_a2", "plan": "prj_a1 prj_a2", "prj_a": "prj_a1 prj_a2", "prj_b": "prj_b1", "äP": "prj_b1", "prj_": "", "p": "prj_a1 prj_a2", "lants": "",
	} {
		var got []string
		for _, p := range fitting(all, words) {
			got = append(got, p.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q names %v, not %s", words, got, want)
		}
	}
}

// Ids are shortened only as far as they are told apart.
func TestShortIDs(t *testing.T) {
	t.Parallel()
	a, b := "prj_0123456789abcdef0000000000000001", "prj_0123456789abcdef0000000000000002"
	if got := shortIDs([]string{a, "prj_9123456789abcdef0000000000000001"}); got[0] != "prj_0123456789abcdef" {
		t.Errorf("%q", got)
	}
	if got := shortIDs([]string{a, b}); !slices.Equal(got, []string{a, b}) {
		t.Errorf("%q", got)
	}
	if got := shortIDs([]string{"x", ""}); !slices.Equal(got, []string{"x", ""}) || shortID("x") != "x" {
		t.Errorf("%q", got)
	}
}

// A condition has a text, an owner and a gate, in this order.
func TestPromise(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]client.Promise{
		"write it;ada;g7": {Text: "write it", Owner: "ada", Due: "G7"}, " a; b ; ada ; G8 ": {Text: "a; b", Owner: "ada", Due: "G8"},
		"write it;ada": {}, ";ada;G7": {}, "a;;G7": {}, "a;b;": {}, "": {},
	} {
		got, err := promise(text)
		if refused := fault.CodeOf(err) == "promise.form"; want == (client.Promise{}) != refused || !refused && got != want {
			t.Errorf("%q is %+v (%v)", text, got, err)
		}
	}
}

// Words that people copy are what a shell reads as one word, and folders are named
// as people name them.
func TestWordsForShells(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"ada@example.org": "ada@example.org", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'"} {
		if got := quoted(word); got != want {
			t.Errorf("%q is %s", word, got)
		}
	}
	for name, want := range map[string]string{"House plants": "house-plants", "../../etc": "etc", "  Bücher & Co. ": "bücher-co", "---": "prj_1", "a/b\\c": "a-b-c"} {
		if got := folderName(row("prj_1", name)); got != want {
			t.Errorf("%q is %q", name, got)
		}
	}
	if got := touched("diff --git a/x b/x\n+diff --git a/no b/no\ndiff --git a/y z b/y z\n"); !slices.Equal(got, []string{"x", "y z"}) {
		t.Errorf("%q", got)
	}
}

// Where a project stands is told from the list alone.
func TestWhereProjectsStand(t *testing.T) {
	t.Parallel()
	gates := []api.GateMark{{Code: "G0", Status: gate.Approved}, {Code: "G1", Status: gate.Skipped}, {Code: "G2", Status: gate.Approved, Stale: true}, {Code: "G3", Status: gate.Blocked}}
	p := row("prj_1", "P")
	p.Gates = gates
	paused, archived, done := p, p, p
	paused.Paused, archived.ArchivedAt, done.Gates = true, db.Now(), gates[:2]
	asked := []flow.Waiting{{Project: "prj_2", Text: "x"}, {Project: "prj_1", Kind: flow.WaitsMention, Text: "m"}, {Project: "prj_1", Kind: flow.WaitsQuestion, Gate: "G2", Text: "Who?"}}
	for _, c := range []struct {
		p     api.ProjectRow
		inbox []flow.Waiting
		want  string
	}{
		{p, nil, "At G2 (APPROVED, stale)."},
		{p, asked, "G2 question: Who?"},
		{p, asked[:2], "At G2 (APPROVED, stale)."},
		{paused, asked, "Paused."},
		{archived, asked, "Archived."},
		{done, nil, "All gates are passed."},
	} {
		if got := inShort(c.p, c.inbox); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
	if got := progress(gates); got != "2/4" {
		t.Errorf("%s", got)
	}
}
