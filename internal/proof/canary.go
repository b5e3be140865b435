package proof

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// canary is what the platform compiles into one test package, unseen by the
// product: a test that fails or passes depending on a value in the environment,
// a probe at the beginning of every test, which makes the test fail when that
// value says so, and a function of which the canary runs exactly one half. All
// names and values are drawn from the platform's secret, so that code written
// beforehand cannot know them, and all runs look the same from inside.
type canary struct {
	test  string // the canary's name
	file  string // base name of the file that coverage must name
	probe string // function of the probe
	nonce string // begins every line of a probe
	cry   string // what the failing canary says
	env   string // name of the variable
	good  string // its value that lets the canary pass
	bad   string // its value that makes it fail
	red   string // its value that makes every test of the product fail
}

// draw derives n letters for a purpose.
func (r *Runner) draw(n int, parts ...string) string {
	mac := hmac.New(sha256.New, r.seed)
	mac.Write([]byte(strings.Join(parts, "\x00")))
	letters := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return c - '0' + 'g'
		}
		return c
	}, hex.EncodeToString(mac.Sum(nil)))
	return letters[:n]
}

// canaryFor draws the canary of a package for one state of the source.
func (r *Runner) canaryFor(project, source, dir string) canary {
	draw := func(n int, what string) string { return r.draw(n, project, source, dir, what) }
	title := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
	return canary{
		test: "Test" + title(draw(12, "test")), file: draw(10, "file") + ".go", probe: draw(12, "probe"),
		nonce: draw(32, "nonce"), cry: draw(32, "cry"),
		env: "K" + draw(10, "env"), good: draw(24, "good"), bad: draw(24, "bad"), red: draw(24, "red"),
	}
}

func (c canary) secrets() []string {
	return []string{c.test, c.file, c.probe, c.nonce, c.cry, c.env, c.good, c.bad, c.red}
}

// probed is the function that each test calls first, and the import it needs. It
// speaks when the test has ended, through the test's own log.
func (c canary) probed() string {
	return "func " + c.probe + `(t interface { Helper(); Cleanup(func()); Failed() bool; Skipped() bool; Log(...interface{}); FailNow() }, name string) {
	t.Helper()
	t.Cleanup(func() {
		end := "pass"
		if t.Failed() { end = "fail" } else if t.Skipped() { end = "skip" }
		t.Log("` + c.nonce + ` " + name + " " + end)
	})
	if name != ` + strconv.Quote(c.test) + ` && ` + c.os() + `.Getenv(` + strconv.Quote(c.env) + `) == ` + strconv.Quote(c.red) + ` {
		t.FailNow()
	}
}
`
}

// os is the name by which the platform's files import os.
func (c canary) os() string { return "o" + c.probe }

// outside is the test file added to the package of external tests.
func (c canary) outside(pkg string) string {
	return "package " + pkg + "_test\n\nimport " + c.os() + " \"os\"\n\n" + c.probed()
}

// inside is the test file added to the package itself.
func (c canary) inside(pkg string) string {
	t, o := "t"+c.probe, c.os()
	return "package " + pkg + "\n\nimport (\n\t" + o + " \"os\"\n\t" + t + " \"testing\"\n)\n\n" +
		"func " + c.test + "(t *" + t + ".T) {\n" +
		"\t" + c.probe + "(t, " + strconv.Quote(c.test) + ")\n" +
		"\tswitch " + o + ".Getenv(" + strconv.Quote(c.env) + ") {\n" +
		"\tcase " + strconv.Quote(c.good) + ", " + strconv.Quote(c.red) + ":\n\t\t" + c.half() + "(true)\n" +
		"\tcase " + strconv.Quote(c.bad) + ":\n\t\t" + c.half() + "(false)\n\t\tt.Fatal(" + strconv.Quote(c.cry) + ")\n" +
		"\tdefault:\n\t\tt.Fatal(\"no value\")\n\t}\n}\n\n" + c.probed()
}

func (c canary) half() string { return "h" + c.probe }

// Lines of the covered file: which is run says which value the canary saw.
const (
	goodLine = 5
	badLine  = 7
)

// covered is the file, not a test, whose coverage is known beforehand.
func (c canary) covered(pkg string) string {
	return "package " + pkg + "\n\nfunc " + c.half() + "(b bool) int {\n\tif b {\n\t\treturn 1\n\t}\n\treturn 2\n}\n"
}

// instrument writes a copy of the product to w.tmp/probed in which every test
// package has its canary and every test its probe. It is compiled instead of
// the product, and nothing else of it is ever seen.
func (w *work) instrument(ctx context.Context, p *goProduct, canaries map[string]canary) error {
	dir := filepath.Join(w.tmp, "probed")
	if err := w.tree.copyTo(ctx, dir); err != nil {
		return fmt.Errorf("copy product: %w", err)
	}
	for _, pkg := range p.testPackages([]string{"./..."}) {
		c := canaries[pkg.dir]
		texts, err := w.probeTests(pkg, c)
		if err != nil {
			return err
		}
		base := strings.TrimSuffix(c.file, ".go")
		texts[path.Join(pkg.dir, c.file)] = c.covered(pkg.name)
		texts[path.Join(pkg.dir, base+"_test.go")] = c.inside(pkg.name)
		if pkg.xtest {
			texts[path.Join(pkg.dir, base+"x_test.go")] = c.outside(pkg.name)
		}
		for name, text := range texts {
			if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o644); err != nil {
				return fmt.Errorf("add probes: %w", err)
			}
		}
	}
	return nil
}

// probeTests returns the test files of a package with a probe at the beginning
// of every test, on the same line, so that positions stay what they were.
func (w *work) probeTests(pkg *goPackage, c canary) (map[string]string, error) {
	inserts := map[string]map[int]string{}
	for _, t := range pkg.tests {
		if t.param == "" {
			continue
		}
		if inserts[t.file] == nil {
			inserts[t.file] = map[int]string{}
		}
		inserts[t.file][t.body] = " " + c.probe + "(" + t.param + ", " + strconv.Quote(t.name) + ");"
	}
	out := map[string]string{}
	for name, at := range inserts {
		src, err := w.tree.read(name)
		if err != nil {
			return nil, fmt.Errorf("read test file: %w", err)
		}
		var b strings.Builder
		for i := range len(src) + 1 {
			b.WriteString(at[i])
			if i < len(src) {
				b.WriteByte(src[i])
			}
		}
		out[name] = b.String()
	}
	return out, nil
}
