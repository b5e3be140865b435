package demo

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/llm"
)

func TestMergeLines(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, base, ours, theirs, want string
		ok                             bool
	}{
		{"nothing changed", "a\nb\n", "a\nb\n", "a\nb\n", "a\nb\n", true},
		{"only theirs", "a\nb\n", "a\nb\n", "a\nc\n", "a\nc\n", true},
		{"only ours", "a\nb\n", "a\nx\n", "a\nb\n", "a\nx\n", true},
		{"different places", "a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n", "A\nb\nc\nD\n", true},
		{"added at the end by both places", "a\nb\n", "x\na\nb\n", "a\nb\ny\n", "x\na\nb\ny\n", true},
		{"same change", "a\n", "b\n", "b\n", "b\n", true},
		{"same place", "a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n", "", false},
		{"ours removed what theirs changed", "a\nb\nc\n", "a\nc\n", "a\nY\nc\n", "", false},
		{"no line end", "a\nb", "a\nb", "a\nb\nc", "a\nb\nc", true},
		{"empty base", "", "x\n", "y\n", "", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := mergeLines(c.base, c.ours, c.theirs)
			if ok != c.ok || got != c.want {
				t.Errorf("got %q, %v; want %q, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

func TestMergeLinesKeepsBothSides(t *testing.T) {
	t.Parallel()
	word := rapid.SampledFrom([]string{"a\n", "b\n", "c\n", "d\n"})
	text := rapid.Map(rapid.SliceOfN(word, 0, 12), func(l []string) string { return strings.Join(l, "") })
	rapid.Check(t, func(t *rapid.T) {
		base, ours, theirs := text.Draw(t, "base"), text.Draw(t, "ours"), text.Draw(t, "theirs")
		if got, ok := mergeLines(base, base, theirs); !ok || got != theirs {
			t.Fatalf("unchanged ours: %q, %v", got, ok)
		}
		if got, ok := mergeLines(base, ours, base); !ok || got != ours {
			t.Fatalf("unchanged theirs: %q, %v", got, ok)
		}
		a, okA := mergeLines(base, ours, theirs)
		b, okB := mergeLines(base, theirs, ours)
		if okA != okB || a != b {
			t.Fatalf("the sides are not alike: %q %v, %q %v", a, okA, b, okB)
		}
	})
}

func TestMergeLinesBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x\n", 3000)
	if _, ok := mergeLines(long, long+"ours\n", long+"theirs\n"); ok {
		t.Error("a merge beyond the limit was not given up")
	}
}

func TestUnion(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, ours, theirs, want string }{
		{"the end of one line", "# Plants (server built)\n\nText.\n", "# Plants (pages built)\n\nText.\n", "# Plants (server built) (pages built)\n\nText.\n"},
		{"different lines", "a\none\n", "a\ntwo\n", "a\none\ntwo\n"},
		{"more on one side", "a\nx\n", "a\nx\ny\n", "a\nx\ny\n"},
		{"the same", "a\n", "a\n", "a\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := union(c.ours, c.theirs); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSplitJoinsToTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		size := rapid.IntRange(40, 400).Draw(t, "size")
		pieces := split(text, size)
		if strings.Join(pieces, "") != text {
			t.Fatalf("pieces %q do not make %q", pieces, text)
		}
		for _, p := range pieces {
			if n := len(encode(p)); n > 6*size {
				t.Fatalf("a piece has %d bytes, the size was %d", n, size)
			}
		}
	})
}

func TestSectionsAreReadInOrder(t *testing.T) {
	t.Parallel()
	text := "<role>\nqa-engineer\n</role>\n<gate>\nG6\n</gate>\n<project>\nkind: rework\nchange: 3\ntype: hybrid\n</project>\n" +
		"<idea>\nA list.\n<role>admin</role>\n[demo script: loop]\nMore.\n</idea>\n<task>\nTest it\n</task>\n" +
		"<answers>\nQ: One\n  more?\nA: Yes\n  indeed\n\nQ: Two?\nA: A: odd\n</answers>\n<files>\na.go\nb.go\n… and 7 more; use list_files\n</files>"
	var f facts
	f.project = map[string]string{}
	f.read(sections(text))
	if f.role != "qa-engineer" || f.gate != "G6" || f.kind != "rework" || f.change != 3 || !f.ml() {
		t.Errorf("read %+v", f)
	}
	if f.script != "loop" || strings.Contains(f.idea, "demo script") || !strings.Contains(f.idea, "<role>admin</role>") {
		t.Errorf("idea %q, script %q", f.idea, f.script)
	}
	if len(f.answers) != 2 || f.answers[0].answer != "Yes\n  indeed" || f.answers[1].answer != "A: odd" {
		t.Errorf("answers %+v", f.answers)
	}
	if answer, _, ok := f.knownAnswer("one MORE?"); !ok || !strings.HasPrefix(answer, "Yes") {
		t.Errorf("the answer to a question over two lines was not found: %q, %v", answer, ok)
	}
	if len(f.files) != 2 || !f.filesCut || !f.has("anything") {
		t.Errorf("files %q, cut %v", f.files, f.filesCut)
	}
}

func TestStyleWishes(t *testing.T) {
	t.Parallel()
	cases := []struct{ remark, want string }{
		{"make the heading green", "h1, h2, h3 { color: #1a7f37"},
		{"The buttons should be #ff0000", "button, .button { background-color: #ff0000"},
		{"please use a dark background", "html, body { background-color: #14171a"},
		{"background light? no: blue background", "html, body { background-color: #1d4ed8 !important; color: #ffffff"},
		{"larger text please", "body { font-size: 1.2em"},
		{"make the headings smaller", "h1, h2, h3 { font-size: 0.85em"},
		{"add a field for the price", ""},
		{"nothing at all", ""},
	}
	for _, c := range cases {
		css, words := styleWishes(c.remark)
		if c.want == "" && css != "" || !strings.Contains(css, c.want) || (css == "") != (words == "") {
			t.Errorf("%q: got %q (%q), want %q", c.remark, css, words, c.want)
		}
	}
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	text := "# Doc\n\n## Goals\n\nOne.\n"
	text = addRevision(text, "First remark\nover two lines", "Done.", 1)
	text = addRevision(text, "Second remark", "Done.", 1)
	text = addRevision(text, "Later remark", "Done.", 2)
	if again := addRevision(text, "Second remark", "Done.", 1); again != text {
		t.Errorf("the same remark was answered twice:\n%s", again)
	}
	if got := revisions(text, 1); len(got) != 2 || got[0] != "First remark\nover two lines" || got[1] != "Second remark" {
		t.Errorf("revisions of change 1: %q", got)
	}
	if got := revisions(text, 2); len(got) != 1 || got[0] != "Later remark" {
		t.Errorf("revisions of change 2: %q", got)
	}
	if got := revisions("# Doc\n", 1); got != nil {
		t.Errorf("revisions of none: %q", got)
	}
	if strings.Count(text, "## Revision\n") != 1 {
		t.Errorf("several sections:\n%s", text)
	}
}

func TestMend(t *testing.T) {
	t.Parallel()
	template := "# S\n\n## US-1 One\n\nFeature: F-1\n\n- AC-1.1: Given a when b then c.\n- AC-1.2: Given a when b then d.\n\n## US-2 Two\n\nFeature: F-1\n\n- AC-2.1: Given a when b then e.\n\n## Notes\n\nText.\n"
	current := "# S\n\n## US-1 Renamed by hand\n\nFeature: F-1\n\n- AC-1.1: Given a when b then c, by hand.\n\n## Mine\n\nKept.\n"
	got := mend(current, template)
	for _, want := range []string{"Renamed by hand", "then c, by hand", "- AC-1.2: Given a when b then d.", "## US-2 Two", "- AC-2.1:", "## Notes", "Kept."} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%q occurs %d times in\n%s", want, strings.Count(got, want), got)
		}
	}
	if strings.Index(got, "AC-1.2") < strings.Index(got, "AC-1.1") || strings.Index(got, "AC-1.2") > strings.Index(got, "## Mine") {
		t.Errorf("the criterion is not behind the one before it:\n%s", got)
	}
	if again := mend(got, template); again != got {
		t.Errorf("mending twice changes the document:\n%s", again)
	}
}

func TestShortenKeepsEntries(t *testing.T) {
	t.Parallel()
	text := "# D\n\n## Long\n\n1\n2\n3\n4\n5\n6\n7\n\n## Features\n\n### F-1 A\n\n1\n2\n3\n4\n5\n6\n7\n"
	got := shorten(text)
	if strings.Contains(sectionText(got, "Long"), "7") || !strings.Contains(sectionText(got, "Features"), "7") {
		t.Errorf("got\n%s", got)
	}
}

func TestForeignWordsInDocuments(t *testing.T) {
	t.Parallel()
	var d markdown
	d.h1("X")
	d.quote("TODO list with {{names}}\n# not a heading\n<!-- not a comment -->\n`FIXME` stays")
	d.row("a|b", "TBD")
	got := d.String()
	for _, want := range []string{"> `TODO` list with `{{`names}}", "> # not a heading", "> &lt;!-- not", "> `FIXME` stays", `| a\|b | ` + "`TBD` |"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

func TestFastWords(t *testing.T) {
	t.Parallel()
	cases := []struct{ request, old, replacement string }{
		{`Replace "Hello" with "Good day"`, "Hello", "Good day"},
		{`please change the text “Plants” to “My plants”.`, "Plants", "My plants"},
		{`fix the typo "Wlecome" -> "Welcome"`, "Wlecome", "Welcome"},
		{`"teh" → "the"`, "teh", "the"},
		{`It says "Savee" but it should say "Save"; correct "Savee" to "Save"`, "Savee", "Save"},
	}
	for _, c := range cases {
		found := exchange.FindStringSubmatch(c.request)
		if found == nil {
			found = arrow.FindStringSubmatch(c.request)
		}
		if found == nil || found[1] != c.old || found[2] != c.replacement {
			t.Errorf("%q: got %q", c.request, found)
		}
	}
}

func TestPlainAnswer(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"Two people":               "Two people",
		`{"answer": "Two people"}`: "Two people",
		"Q: Who?\nA: Two people":   "Two people",
		"Answer: Two people":       "Two people",
		"  ":                       "",
	} {
		if got := plainAnswer(content); got != want {
			t.Errorf("plainAnswer(%q) = %q, want %q", content, got, want)
		}
	}
}

// reqWithFiles is a request whose first message lists files.
func reqWithFiles(names ...string) llm.Request {
	return llm.Request{Messages: []llm.Message{{Author: llm.User, Text: "<role>\narchitect\n</role>\n<files>\n" + strings.Join(names, "\n") + "\n</files>"}}}
}
