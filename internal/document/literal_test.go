package document_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/document"
)

// Whatever a person writes, the page that quotes it is complete.
func TestLiteralWordsAreNoPlaceholders(t *testing.T) {
	t.Parallel()
	check := func(t rapid.TB, words string) {
		page := "# " + document.Literal(words) + "\n\n> " + document.Literal(words) + "\n\nIt is for everybody who wants to see whether a page that quotes somebody is complete.\n"
		if problems := document.Validate("markdown", "docs/PROJECT.md", nil, []byte(page)); len(problems) > 0 {
			t.Fatalf("%q is taken for something else: %v", words, problems)
		}
	}
	for _, words := range []string{"{{template}}", "FIXME", "a TBD here", "Lorem  ipsum", "lorem ipsum TODO", "<!-- open", "`code {{x", "\\{{", "<script>"} {
		check(t, words)
	}
	parts := rapid.SampledFrom([]string{"TODO", "TBD", "FIXME", "{", "{{", "}}", "`", "``", "\\", "<!--", "-->", "lorem ipsum", "a", " ", "~~~", "[", "é"})
	rapid.Check(t, func(t *rapid.T) {
		check(t, "x"+strings.Join(rapid.SliceOfN(parts, 1, 12).Draw(t, "parts"), ""))
	})
	if got := document.Literal("An app to track my house plants"); got != "An app to track my house plants" {
		t.Errorf("plain words became %q", got)
	}
}
