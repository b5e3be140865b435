package repo

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/fault"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	cases := []struct {
		patterns string // separated by spaces
		yes, no  string
	}{
		{"docs/PRD.md", "docs/PRD.md", "docs/PRD.mdx docs/prd.md x/docs/PRD.md"},
		{"**", "a a/b a/b/c .hidden/x", ""},
		{"*", "a .env", "a/b"},
		{"*.go", "a.go .go", "a/b.go a.gox"},
		{"**/*.go", "a.go a/b.go a/b/c.go", "a.go/x"},
		{"src/**", "src/a src/a/b src", "srca a/src/b"},
		{"src/**/test/*.ts", "src/test/a.ts src/x/y/test/a.ts", "src/test/x/a.ts src/tes/a.ts"},
		{"a/**/**/b", "a/b a/x/b a/x/y/b", "ab"},
		{"designs/option-{1,2,3}-*.html", "designs/option-1-x.html designs/option-3-.html", "designs/option-4-x.html designs/option-1.html"},
		{"{a,b/{c,d}}/e", "a/e b/c/e b/d/e", "b/e c/e"},
		{"{a,}x", "ax x", "bx"},
		{"?.md", "a.md ä.md", "ab.md .md"},
		{"a?c", "abc", "a/c ac"},
		{"[id]/*.tsx", "[id]/p.tsx", "i/p.tsx"},
		{"{unclosed", "{unclosed", "unclosed"},
		{"** !docs/** !*.md", "a a/b.md", "docs/x README.md"},
		{"!docs/** **", "a", "docs/x"},
		{"!docs/**", "", "a docs/x"},
		{"**/a/**/b/**", "a/b x/a/y/b/z", "b/a a"},
		{"a*b*c*d", "abcd axbxcxd aabbccdd", "abdc abcde"},
	}
	for _, c := range cases {
		for p := range strings.FieldsSeq(c.yes) {
			if !Match(strings.Fields(c.patterns), p) {
				t.Errorf("%s must match %s", c.patterns, p)
			}
		}
		for p := range strings.FieldsSeq(c.no) {
			if Match(strings.Fields(c.patterns), p) {
				t.Errorf("%s must not match %s", c.patterns, p)
			}
		}
	}
	if Match(nil, "a") {
		t.Error("no pattern must match nothing")
	}
}

// The slow and plain reading of a pattern, as a regular expression.
func TestMatchIsTheRegularExpression(t *testing.T) {
	t.Parallel()
	segment := rapid.StringMatching(`[ab*?]{1,4}`)
	try := func(t *rapid.T) {
		pattern := rapid.SliceOfN(rapid.OneOf(segment, rapid.Just("**")), 1, 5).Draw(t, "pattern")
		path := strings.Join(rapid.SliceOfN(rapid.StringMatching(`[abc]{1,3}`), 1, 5).Draw(t, "path"), "/")
		expr := "^"
		for _, s := range pattern {
			if s == "**" {
				expr += "(?:[^/]+/)*"
				continue
			}
			expr += strings.NewReplacer("*", "[^/]*", "?", "[^/]").Replace(strings.ReplaceAll(s, "**", "*")) + "/"
		}
		want := regexp.MustCompile(expr + "$").MatchString(path + "/")
		if got := Match([]string{strings.Join(pattern, "/")}, path); got != want {
			t.Fatalf("%q on %q: got %v", strings.Join(pattern, "/"), path, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		for range 200 {
			try(t)
		}
	})
}

func TestMatchOfHostilePatternEnds(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("a", 200)
	if Match([]string{strings.Repeat("*a", 100) + "b"}, name) || Match([]string{strings.Repeat("**/a/", 50) + "b"}, strings.Repeat("a/", 31)+"a") {
		t.Error("must not match")
	}
	if Match([]string{strings.Repeat("{a,b}", 40)}, strings.Repeat("a", 40)) {
		t.Error("a pattern with too many alternatives must match nothing")
	}
}

func TestCheckPattern(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"a", "**/*.go", "!docs/**", "{a,b}/c", "src/**"} {
		if err := CheckPattern(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{"", "!", "/a", "a/", "a//b", "../a", "a/../b", "{a", "a}", "}{", strings.Repeat("{a,b}", 9), "\xff"} {
		if fault.CodeOf(CheckPattern(p)) != "repo.pattern" {
			t.Errorf("%q was accepted", p)
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	files := []File{{Path: "b", Mode: ModeFile, Blob: emptyBlob}, {Path: "a", Mode: ModeFile, Blob: emptyBlob}, {Path: "c.md", Mode: ModeFile, Blob: emptyTree}}
	const none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // of no bytes
	if got := Digest(files, []string{"x"}); got != none {
		t.Errorf("nothing: %s", got)
	}
	want := Digest(files, []string{"{a,b}"})
	if want == none || Digest([]File{files[1], files[0]}, []string{"**"}) != want || Digest(files, []string{"**", "!*.md"}) != want {
		t.Error("the digest depends on more than the files that match")
	}
	for i, change := range []func(f *File){
		func(f *File) { f.Path = "d" }, func(f *File) { f.Mode = ModeExecutable }, func(f *File) { f.Blob = emptyTree },
	} {
		other := append([]File(nil), files...)
		change(&other[0])
		if Digest(other, []string{"*", "!c.md"}) == want {
			t.Errorf("change %d does not show", i)
		}
	}
	// The published value: other programs compute it, too.
	if got := Digest(files[1:2], []string{"a"}); got != "606fa5bd30f9efe16693fdee3b083c59b2919bda49934453ffd814bc5461bdb1" {
		t.Errorf("got %s", got)
	}
}
