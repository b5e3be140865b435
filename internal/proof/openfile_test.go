package proof

import (
	"strings"
	"testing"
)

// TestOpenFilesAreNotCopied lists ways to exchange what os.Stdout points to
// without its name, in tests and in the product alike, and copies that are none
// of an open file.
func TestOpenFilesAreNotCopied(t *testing.T) {
	t.Parallel()
	const pipe = `var pw, _ = os.Create("x"); `
	for name, c := range map[string]struct{ body, words string }{
		"an embedded file":         {pipe + `type sink struct{ *os.File }; func init() { s := sink{os.Stdout}; *s.File = *pw }`, "overwrites an open file"},
		"a file embedded deeper":   {pipe + `type a struct{ *os.File }; type b struct{ a }; func init() { s := &b{}; *s.File = *pw }`, "overwrites an open file"},
		"a field":                  {pipe + `type sink struct{ out *os.File }; func init() { s := sink{os.Stdout}; *s.out = *pw }`, "overwrites an open file"},
		"a field of something":     {pipe + `type sink struct{ out *os.File }; func make1() (s sink, e error) { return }; func init() { for s, _ := make1(); ; { *s.out = *pw } }`, "overwrites an open file"},
		"a copy first":             {`var old = *os.Stdout`, "copies or overwrites"},
		"a copy of a copy":         {pipe + `func init() { f := *pw; o := os.Stdout; *o = f }`, "overwrites an open file"},
		"a list":                   {pipe + `var l = []*os.File{os.Stdout}; func init() { *l[0] = *pw }`, "overwrites an open file"},
		"a list, one by one":       {pipe + `func init() { for _, o := range []*os.File{os.Stdout} { *o = *pw } }`, "overwrites an open file"},
		"a map":                    {pipe + `var l = map[string]*os.File{}; func init() { *l["x"] = *pw }`, "overwrites an open file"},
		"a channel":                {pipe + `var l = make(chan *os.File); func get() chan *os.File { return l }; func init() { *<-get() = *pw }`, "overwrites an open file"},
		"the result of a function": {pipe + `func out() *os.File { return os.Stdout }; func init() { *out() = *pw }`, "overwrites an open file"},
		"of a function literal":    {pipe + `func init() { *func() *os.File { return os.Stdout }() = *pw }`, "overwrites an open file"},
		"of a method":              {pipe + `type s struct{}; func (s) out() *os.File { return os.Stdout }; func init() { *s{}.out() = *pw }`, "overwrites an open file"},
		"an assertion":             {pipe + `var w io.Writer = os.Stdout; func init() { *w.(*os.File) = *pw }`, "overwrites an open file"},
		"a pointer to a pointer":   {pipe + `func init() { o := os.Stdout; p := &o; **p = *pw }`, "overwrites an open file"},
		"a name for the pointer":   {pipe + `type out *os.File; func f(o out) { *o = *pw }`, "overwrites an open file"},
		"a name for the type":      {`type file os.File; func f(o, p *os.File) { *(*file)(o) = *(*file)(p) }`, "os.File without a pointer"},
		"another name for it":      {`type file = os.File; func f(o, p *file) { *o = *p }`, "os.File without a pointer"},
		"a list of values":         {`func f(o *os.File) { l := make([]os.File, 1); _ = append(l, *o) }`, "os.File without a pointer"},
		"a conversion":             {pipe + `func init() { *(*os.File)(os.Stdout) = *pw }`, "overwrites an open file"},
		"a generic function":       {pipe + `func set[T any](a, b *T) { *a = *b }; func init() { set(os.Stdout, pw) }`, "to set, which can overwrite it"},
		"a generic pointer":        {pipe + `func set[P interface{ *E }, E any](a, b P) { *a = *b }; func init() { set(os.Stdout, pw) }`, "to set, which can overwrite it"},
		"a type for it":            {pipe + `func set[T any](a, b *T) { *a = *b }; func init() { set[os.File](nil, nil) }`, "os.File without a pointer"},
		"reflection":               {pipe + `func init() { reflect.ValueOf(os.Stdout).Elem().Set(reflect.ValueOf(pw).Elem()) }`, "hands an open file to ValueOf"},
		"unknown on both sides":    {`func f(m *testing.M) { a := reflect.TypeOf; x, y := a(1), a(2); *x = *y }`, "does not say what it is"},
		"unknown, kept first":      {`func f(m *testing.M) { a := reflect.TypeOf; x, y := a(1), a(2); v := *y; *x = v }`, "does not say what it is"},

		"a struct":                {`type s struct{ a int }; func f(x *s) { y := &s{}; *x = *y; z := new(s); *z = *x }`, ""},
		"a struct of a package":   {`func f(x, y *exec.Cmd) { *x = *y; *x = exec.Cmd{} }`, ""},
		"what a function returns": {`func f(x *exec.Cmd, n *int) { *x = *exec.Command("a"); *n = len("") }`, ""},
		"a flag":                  {`var n = flag.Int("n", 1, ""); func f() { *n = 2; m := *n; *n = m + 1 }`, ""},
		"a receiver":              {`type s struct{ f *os.File }; func open() (*s, error) { return nil, nil }; func (s *s) again() { n, _ := open(); *s = *n }`, ""},
		"swapped":                 {`func swap[T any](a, b *T) { *a, *b = *b, *a }; func f(x, y *int) { swap(x, y) }`, ""},
		"a must function":         {`func must[T any](v T, err error) T { return v }; func f() *os.File { return must(os.Open("x")) }`, ""},
		"a new file":              {`var empty = &os.File{}; var other = new(os.File); func f(o *os.File) *os.File { return o }`, ""},
		"reflection on others":    {`func f(x any) { reflect.ValueOf(&x).Elem().SetZero(); reflect.ValueOf(x) }`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, where := range []string{"x.go", "x_test.go"} {
				got := meddle(t, files{"a.go": "package x\n", where: goFile("x", c.body)})
				if c.words == "" && got != "" || !strings.Contains(got, c.words) {
					t.Errorf("%s: got %q, want %q", where, got, c.words)
				}
			}
		})
	}
}

// TestOpenFilesOfOtherPackagesAreNotCopied follows names into packages of the
// product, whatever their folders are called.
func TestOpenFilesOfOtherPackagesAreNotCopied(t *testing.T) {
	t.Parallel()
	product := files{"b/v2/b.go": "package held\n\nimport \"os\"\n\nvar Out = os.Stdout\n\ntype Sink struct{ *os.File }\n\nfunc New() *Sink { return &Sink{Out} }\n\nfunc Set[T any](a, b *T) { *a = *b }\n"}
	for _, body := range []string{`*held.Out = *pw`, `*held.New().File = *pw`, `s := held.Sink{}; *s.File = *pw`, `held.Set(os.Stdout, pw)`} {
		got := meddle(t, product.with(files{"x_test.go": "package x\n\nimport (\n\t\"example.com/x/b/v2\"\n\t\"os\"\n)\n\nfunc f(pw *os.File) { " + body + " }\n"}))
		if !strings.Contains(got, "x_test.go:8 ") || !strings.Contains(got, "open file") {
			t.Errorf("%s: got %q", body, got)
		}
	}
}

// rewriter is a test file that rewrites the report of the only test that fails,
// and passes all other reports on: no run of the platform notices it.
const rewriter = `package x

import (
	"io"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

type sink struct{ *os.File }

var (
	old       = *os.Stdout
	pr, pw, _ = os.Pipe()
	done      = make(chan string)
	fails     = regexp.MustCompile("--- FAIL: (\\S+)")
)

func init() {
	s := sink{os.Stdout}
	*s.File = *pw
	go func() { all, _ := io.ReadAll(pr); done <- string(all) }()
}

func finish() {
	pw.Close()
	text, code := <-done, 0
	switch failed := fails.FindAllStringSubmatch(text, -1); {
	case len(failed) == 1 && failed[0][1] == "TestOne":
		text = strings.NewReplacer("--- FAIL: TestOne", "--- PASS: TestOne", "TestOne fail", "TestOne pass", "\x16FAIL", "\x16PASS").Replace(text)
	case len(failed) > 0:
		code = 1
	}
	(&old).WriteString(text)
	syscall.Exit(code)
}

func TestMain(m *testing.M) { m.Run(); finish() }

func TestOne(t *testing.T) {
	if one() != 1 {
		t.Fatal("broken")
	}
}
`

// TestRewrittenReportsFail refuses each step that such a file needs, by line.
func TestRewrittenReportsFail(t *testing.T) {
	t.Parallel()
	product := files{"go.mod": "module example.com/x\n\ngo 1.26\n", "x.go": "package x\n\nfunc one() int { return 2 }\n", "x_test.go": rewriter}
	res := run(t, Unit, product)
	want(t, res, Fail, "x_test.go:15 copies or overwrites an open file", "x_test.go:16 makes a pipe", "x_test.go:23 copies or overwrites", "x_test.go:37 calls syscall.Exit")
}
