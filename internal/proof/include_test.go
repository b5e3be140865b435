package proof

import (
	"runtime"
	"strings"
	"testing"
)

// TestIncluded lists what assembly may include.
func TestIncluded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text    string
		refused bool
	}{
		"none":           {"TEXT ·One(SB), 4, $0-8\n", false},
		"headers":        {"#include \"textflag.h\"\n# include \"own.h\" // mine\n#define VALUE 1\n", false},
		"another ending": {"#include \"value.inc\"\n", true},
		"another folder": {"#include \"../value.h\"\n", true},
		"below":          {"#include \"sub/value.h\"\n", true},
		"with a comment": {"#/**/include \"value.inc\"\n", true},
		"over two lines": {"#/*\n*/include \"value.inc\"\n", true},
		"after a label":  {"l: #include \"value.inc\"\n", true},
		"in a comment":   {"// a word on #1, which we include\nRET\n", false},
		"comment's end":  {"/*\n// */ #include \"value.inc\"\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, file := range []string{"a_amd64.s", "vendor/x/a.S", "a.h"} {
				dir := t.TempDir()
				writeTree(t, dir, files{file: c.text})
				tree, err := openTree(dir)
				if err != nil {
					t.Fatal(err)
				}
				defer tree.close()
				got := tree.included()
				if (got != "") != c.refused || c.refused && !strings.HasPrefix(got, file+":") {
					t.Errorf("%s: got %q", file, got)
				}
			}
		})
	}
}

// What was compiled is not used again when any file changes, and assembly that
// hides its content in another file is refused.
func TestIncludedValueFails(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("the assembly is for amd64")
	}
	product := files{
		"go.mod": "module example.com/asm\n\ngo 1.26\n", "a.go": "package asm\n\nfunc One() int\n",
		"a_amd64.s": "#include \"textflag.h\"\n#include \"value.h\"\n\nTEXT ·One(SB), NOSPLIT, $0-8\n\tMOVQ $VALUE, ret+0(FP)\n\tRET\n",
		"value.h":   "#define VALUE 1\n",
		"a_test.go": "package asm\n\nimport \"testing\"\n\nfunc TestOne(t *testing.T) {\n\tif One() != 1 {\n\t\tt.Fatal(\"x\")\n\t}\n}\n",
	}
	want(t, run(t, Unit, product), Pass)
	want(t, run(t, Unit, product.with(files{"value.h": "#define VALUE 2\n"})), Fail, "TestOne failed")
	hidden := product.with(files{"a_amd64.s": strings.ReplaceAll(product["a_amd64.s"], "value.h", "value.inc"), "value.h": "", "value.inc": "#define VALUE 1\n"})
	for _, typ := range []string{Build, Lint, Unit} {
		want(t, run(t, typ, hidden), Fail, "a_amd64.s:2 includes another file than a header")
	}
}

// The canary of a rehearsal is none of the real check's, and any file changes
// both.
func TestCanaryIsDrawnAnew(t *testing.T) {
	t.Parallel()
	r := platform(t)
	dir := t.TempDir()
	digest := func(real bool) string {
		t.Helper()
		tree, err := openTree(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer tree.close()
		w := &work{r: r, tree: tree}
		if real {
			w.repo = shared.store.Repo(testProject)
		}
		source, err := w.sourceDigest()
		if err != nil {
			t.Fatal(err)
		}
		return r.canaryFor(testProject, source, ".").good
	}
	writeTree(t, dir, half)
	seen := []string{digest(true), digest(false)}
	if digest(true) != seen[0] {
		t.Error("the same files give another canary")
	}
	writeTree(t, dir, files{"known.txt": seen[1]})
	seen = append(seen, digest(true), digest(false))
	for i, a := range seen {
		for _, b := range seen[i+1:] {
			if a == b {
				t.Errorf("one canary for different runs: %v", seen)
			}
		}
	}
}

// Checks of tests say what nobody can enforce.
func TestReportsNameTheirLimit(t *testing.T) {
	t.Parallel()
	for typ, named := range map[string]bool{Unit: true, Coverage: true, Build: false} {
		res := run(t, typ, half)
		if got := strings.Contains(strings.Join(res.Isolation.NotEnforced, "\n"), "truth of a test report"); got != named {
			t.Errorf("%s: named %v, want %v: %q", typ, got, named, res.Isolation.NotEnforced)
		}
	}
}
