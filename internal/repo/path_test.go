package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/layercake-app/layercake/internal/fault"
)

func TestCheckPath(t *testing.T) {
	t.Parallel()
	good := []string{
		"a", "README.md", "src/app/[id]/page.tsx", "docs/Größe.md", "a b/c d.txt", ".gitignore", ".github/workflows/ci.yml",
		".layercake/checks.yaml", "a..b", "..a", "...a", "100%", "50%25", "%41", "git", "x.git", ".gitx", "common/com", "console.log", "lpt", "com10",
		"日本語/ファイル.txt", strings.Repeat("a", MaxSegment), strings.Repeat("a/", MaxDepth-1) + "a", "a:b", `"quoted"`, "{a,b}", "*", "git~2",
	}
	for _, p := range good {
		if err := CheckPath(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	bad := []struct{ path, why string }{
		{"", "empty"},
		{"/etc/passwd", "absolute"},
		{"a/", "ends with /"},
		{"a//b", "empty segment"},
		{".", `"."`},
		{"..", `".."`},
		{"a/../b", `".."`},
		{"./a", `"."`},
		{`a\b`, "backslash"},
		{`C:\x`, "backslash"},
		{"a\x00b", "control"},
		{"a\nb", "control"},
		{"a\x7f", "control"},
		{"a\u0085b", "control"},
		{"\xff", "UTF-8"},
		{"u\u0308", "normal form"},
		{"-rf", "option"},
		{"a/--upload-pack=x", "option"},
		{"%2e%2e/x", "encoding"},
		{"%2E", "encoding"},
		{".%2e", "encoding"},
		{"%252e%252e", "encoding"},
		{"%25252e%25252e", "encoding"},
		{"a%2f..%2fb", "encoding"},
		{"%2e%2e%5cx", "encoding"},
		{".git", ".git"},
		{"a/.GIT/config", ".git"},
		{"git~1", ".git"},
		{".git ", ".git"},
		{".git...", ".git"},
		{".git:s", ".git"},
		{".g\u200cit", ".git"},
		{"a.", "drops"},
		{"a /b", "drops"},
		{"CON", "device"},
		{"con.txt", "device"},
		{"a/Aux.c", "device"},
		{"nul .x", "device"},
		{"com1", "device"},
		{"LPT9.log", "device"},
		{"COM¹", "device"},
		{"conin$", "device"},
		{strings.Repeat("a", MaxSegment+1), "more than 255"},
		{strings.Repeat("ab/", 400) + "a", "longer than"},
		{strings.Repeat("a/", MaxDepth) + "a", "deep"},
	}
	for _, c := range bad {
		err := CheckPath(c.path)
		if fault.KindOf(err) != fault.KindInvalid || fault.CodeOf(err) != "repo.path" || !strings.Contains(fault.Public(err), c.why) {
			t.Errorf("%q: got %v, want a refusal that says %q", c.path, err, c.why)
		}
	}
}

func FuzzCheckPath(f *testing.F) {
	for _, p := range []string{"a/b", "../x", "%2e%2e/x", ".git", "a\u0308", "C:\\x", "a/./b", "\u200c.git", "nul"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if CheckPath(p) != nil {
			return
		}
		if !fs.ValidPath(p) || !filepath.IsLocal(p) || !utf8.ValidString(p) || !norm.NFC.IsNormalString(p) || strings.ContainsAny(p, "\x00\n\r\\") {
			t.Fatalf("accepted %q", p)
		}
		joined, err := SafeJoin("/root/tree", p)
		if err != nil || !strings.HasPrefix(joined, "/root/tree/") || joined != "/root/tree/"+p {
			t.Fatalf("%q joins to %q, %v", p, joined, err)
		}
		for s := range strings.SplitSeq(strings.ToLower(dropIgnorable(p)), "/") {
			if s == ".git" || strings.TrimRight(s, ". ") == ".git" || strings.HasPrefix(s, ".git:") {
				t.Fatalf("accepted %q", p)
			}
		}
		if err := CheckTree([]string{p}); err != nil {
			t.Fatalf("%q alone: %v", p, err)
		}
	})
}

// What we accept, git must accept under its strictest rules.
func TestGitAcceptsWhatCheckPathAccepts(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	git := func(path string) error {
		_, err := tryPlain(r.dir, "-c", "core.protectHFS=true", "-c", "core.protectNTFS=true", "--git-dir="+r.gitDir, "-c", "core.bare=false", "--work-tree=/nonexistent",
			"update-index", "--add", "--cacheinfo", "100644,"+emptyBlob+","+path)
		return err
	}
	put(t, r, "", "x", "")
	for _, p := range []string{"a", ".gitx", "x.git/y", "git~2", "com10", "Größe", "..a", "a:b"} {
		if CheckPath(p) == nil {
			if err := git(p); err != nil {
				t.Errorf("we accept %q, git does not: %v", p, err)
			}
		}
	}
	for _, p := range []string{".git", ".GIT", "git~1", ".git ", ".git.", "a/.git/b", "..", "a/../b", ".g\u200cit", ".git::$INDEX_ALLOCATION/x"} {
		if git(p) == nil {
			t.Errorf("git accepts %q, so the comparison shows nothing", p)
		}
		if CheckPath(p) == nil {
			t.Errorf("git refuses %q, we accept it", p)
		}
	}
}

const emptyBlob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"

func TestCheckTree(t *testing.T) {
	t.Parallel()
	cases := []struct {
		paths []string
		code  string
	}{
		{nil, ""},
		{[]string{"a", "b/a", "c/a"}, ""},
		{[]string{"src/a", "src/b", "src/c/d", "src2/a"}, ""},
		{[]string{"a-b", "a.b", "a/b"}, ""},
		{[]string{"HEAD", "objects/x"}, ""},
		{[]string{"README", "readme"}, "repo.collision"},
		{[]string{"Src/a", "src/b"}, "repo.collision"},
		{[]string{"a/B/c", "a/b"}, "repo.collision"},
		{[]string{"a", "a/b"}, "repo.collision"},
		{[]string{"A", "a/b"}, "repo.collision"},
		{[]string{"straße", "STRASSE"}, "repo.collision"},
		{[]string{"Ä", "ä"}, "repo.collision"},
		{[]string{"a\u200c", "a"}, "repo.collision"},
		{[]string{"K", "\u212a"}, "repo.collision"}, // the sign of Kelvin
		{[]string{"a", "a"}, "repo.collision"},
		{[]string{"x/HEAD", "x/objects/a", "x/refs/a"}, "repo.nested"},
		{[]string{"HEAD", "Objects/a", "refs/a"}, "repo.nested"},
	}
	for _, c := range cases {
		err := CheckTree(c.paths)
		if c.code == "" && err != nil || c.code != "" && fault.CodeOf(err) != c.code {
			t.Errorf("%q: got %v, want %q", c.paths, err, c.code)
		}
	}
}

func TestProtected(t *testing.T) {
	t.Parallel()
	for p, want := range map[string]bool{
		".layercake/checks.yaml": true, ".layercake": true, ".LayerCake/x": true, ".layer\u200ccake/x": true, ".layercake./x": true,
		"layercake/x": false, "a/.layercake/x": false, ".layercake2/x": false, "": false,
	} {
		if Protected(p) != want {
			t.Errorf("%q: got %v", p, !want)
		}
	}
}

func TestOpenIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "in/a", "1")
	if err := os.Symlink("a", filepath.Join(dir, "in/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "in/out")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"a", "link"} {
		f, err := OpenIn(filepath.Join(dir, "in"), p)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	for p, code := range map[string]string{"out": "repo.symlink", "../in/a": "repo.path", "none": "repo.no_file", "a/b": "repo.not_a_file"} {
		if _, err := OpenIn(filepath.Join(dir, "in"), p); fault.CodeOf(err) != code {
			t.Errorf("%s: got %v, want %s", p, err, code)
		}
	}
	if _, err := OpenIn(dir, "in"); fault.CodeOf(err) != "repo.not_a_file" {
		t.Errorf("folder: %v", err)
	}
}
