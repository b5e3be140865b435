package proof

import (
	"go/build"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// ownTags are those of the Go that compiled these tests.
func ownTags() goTags {
	return goTags{arch: runtime.GOARCH, release: build.Default.ReleaseTags, tool: build.Default.ToolTags}
}

// meddle returns what the check would say of a product of these files.
func meddle(t *testing.T, f files) string { t.Helper(); return meddleIn(t, ownTags(), f) }

func meddleIn(t *testing.T, tags goTags, f files) string {
	t.Helper()
	dir := t.TempDir()
	writeTree(t, dir, files{"go.mod": "module example.com/x\n\ngo 1.26\n"}.with(f))
	tree, err := openTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	m, err := loadModule(tree, tags)
	if err != nil || len(m.parseErrs) > 0 {
		t.Fatal(err, m.parseErrs)
	}
	return strings.Join((&work{tree: tree}).meddling(&goProduct{goModule: m}), "\n")
}

// goFile writes a Go file with the imports that its body names.
func goFile(pkg, body string) string {
	var b strings.Builder
	b.WriteString("package " + pkg + "\n\n")
	for _, at := range []string{"flag", "fmt", "io", "os", "os/exec", "path/filepath", "reflect", "syscall", "testing", "unsafe"} {
		if strings.Contains(body, filepath.Base(at)+".") {
			b.WriteString("import \"" + at + "\"\n")
		}
	}
	return b.String() + "\n" + body + "\n"
}

// TestMeddling lists what is refused in tests, in the product, in both, and what
// an ordinary product may do.
func TestMeddling(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body          string
		test, product string // words, "" when it is fine
	}{
		"replaces the output":      {`func f() { _, w, _ := os.Pipe(); os.Stdout = w }`, "replaces os.Stdout", "replaces os.Stdout"},
		"replaces it with others":  {`func f() { var x int; x, os.Stderr = 1, nil; _ = x }`, "replaces os.Stderr", "replaces os.Stderr"},
		"its address":              {`func f() { reflect.ValueOf(&os.Stdout).Elem().SetZero() }`, "takes the address", "takes the address"},
		"what it points to":        {`func f() { _, w, _ := os.Pipe(); *os.Stdout = *w }`, "overwrites an open file", "overwrites an open file"},
		"through a name":           {`func f() { _, w, _ := os.Pipe(); o := os.Stdout; *o = *w }`, "overwrites an open file", "overwrites an open file"},
		"through a parameter":      {`func swap(a, b *os.File) { *a, *b = *b, *a }`, "overwrites an open file", "overwrites an open file"},
		"closes it":                {`func f() { os.Stdout.Close() }`, "closes os.Stdout", "closes os.Stdout"},
		"by number":                {`func f() { os.NewFile(1, "").Close() }`, "by its number", "by its number"},
		"closes the number":        {`func f() { syscall.Close(syscall.Stdout) }`, "by its number", "by its number"},
		"dup":                      {`func f() { syscall.Dup3(3, 1, 0) }`, "syscall.Dup3", "syscall.Dup3"},
		"dup as a value":           {`var d = syscall.Dup3`, "syscall.Dup3", "syscall.Dup3"},
		"a raw system call":        {`func f() { syscall.RawSyscall(33, 3, 1, 0) }`, "syscall.RawSyscall", "syscall.RawSyscall"},
		"its own files":            {`func f() { os.Open("/proc/self/fd/1") }`, "own process", "own process"},
		"any process":              {`func f() { os.ReadDir("/proc/" + "x") }`, "own process", ""},
		"starts itself":            {`func f() { exec.Command(os.Args[0], "-test.v").Run() }`, "starts its own program again", "starts its own program again"},
		"starts itself by name":    {`func f() { p, _ := os.Executable(); q := filepath.Clean(p); exec.Command(q).Run() }`, "starts its own program again", "starts its own program again"},
		"starts itself by a func":  {`func me() string { return os.Args[0] }; func f() { exec.Command("sh", "-c", me()+" | cat").Run() }`, "starts its own program again", "starts its own program again"},
		"becomes itself":           {`func f() { syscall.Exec("/proc/self/exe", nil, nil) }`, "starts its own program again", "starts its own program again"},
		"the profile":              {`func f() { os.WriteFile("/cover/profile", nil, 0o644) }`, "coverage profile", "coverage profile"},
		"a flag of the tests":      {`func f() { flag.Lookup("test.coverprofile") }`, `flag "test.coverprofile"`, `flag "test.coverprofile"`},
		"a computed flag":          {`func f(s string) { flag.Set("test."+s, "") }`, "computed name", ""},
		"all flags":                {`func f() { flag.VisitAll(nil) }`, "reads the flags", ""},
		"starts tests":             {`func f() { testing.RunTests(nil, nil) }`, "testing.RunTests", "testing.RunTests"},
		"unsafe":                   {`var n = unsafe.Sizeof(1)`, "imports unsafe", ""},
		"linkname":                 {"//go:linkname now time.now\nfunc now()", "go:linkname", "go:linkname"},
		"prints":                   {`func f() { fmt.Fprintln(os.Stdout, os.Stdout.Fd()); w := io.Writer(os.Stdout); _ = w }`, "", ""},
		"copies a struct":          {`type s struct{ a int }; func f(x, y *s) { *x = *y }`, "", ""},
		"starts another program":   {`func f() { exec.Command("git", os.Args[1:]...).Run() }`, "", ""},
		"arguments for a program":  {`func f() { if len(os.Args) > 1 { exec.Command("git", os.Args[1]).Run() } }`, "", ""},
		"flags of its own":         {`func f() { s := flag.NewFlagSet("app", flag.ExitOnError); s.Parse(os.Args[1:]); exec.Command("git", s.Arg(0)).Run() }`, "", ""},
		"arguments of the program": {`func f() { old := os.Args; os.Args = []string{"app", "x"}; os.Args = old }`, "", ""},
		"words that look like it":  {`var a = []string{"test.db", "/covers/1.png", "/api/proc/1", "/coverage", "https://example.com/dev/fd"}`, "", ""},
		"another file number":      {`func f() { os.NewFile(3, "socket") }`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for where, words := range map[string]string{"x.go": c.product, "x_test.go": c.test, "x_out_test.go": c.test} {
				pkg := "x"
				if where == "x_out_test.go" {
					pkg = "x_test"
				}
				got := meddle(t, files{"a.go": "package x\n", where: goFile(pkg, c.body)})
				switch {
				case words == "" && got != "":
					t.Errorf("%s: refused: %s", where, got)
				case words != "" && (!strings.Contains(got, words) || !strings.HasPrefix(got, where+":")):
					t.Errorf("%s: got %q, want %q", where, got, words)
				}
			}
		})
	}
}

// TestImportsNobodyLooksAt refuses packages in folders that no check lists.
func TestImportsNobodyLooksAt(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"testdata": "testdata/impl", "hidden": ".hidden", "underscore": "a/_b", "ignored": "quiet", "ignored anywhere": "a/loud/c"} {
		got := meddle(t, files{
			"go.mod": "module example.com/x\n\ngo 1.26\n\nignore (\n\t./quiet\n\tloud\n)\n",
			"a.go":   "package x\n\nimport _ \"example.com/x/" + dir + "\"\n",
		})
		if !strings.Contains(got, dir+", a folder that no check looks at") {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := meddle(t, files{"a.go": "package x\n\nimport _ \"example.com/x/internal/b\"\nimport . \"os\"\n"}); got != "a.go:4 imports os without its name; import it by name" {
		t.Errorf("got %q", got)
	}
}

// TestFilesOfAnotherGoAreRead lists constraints that a newer Go, or one with
// other experiments, fulfils and the Go of these tests does not.
func TestFilesOfAnotherGoAreRead(t *testing.T) {
	t.Parallel()
	newer := ownTags()
	newer.release, newer.tool = append(slices.Clone(newer.release), "go1.99"), append(slices.Clone(newer.tool), "goexperiment.later")
	for _, constraint := range []string{"go1.99", "goexperiment.later", "linux && go1.99"} {
		for _, file := range []string{"x.go", "x_test.go"} {
			f := files{"a.go": "package x\n", file: "//go:build " + constraint + "\n\n" + goFile("x", `func init() { os.Stdout = nil }`)}
			if got := meddleIn(t, newer, f); !strings.Contains(got, "replaces os.Stdout") {
				t.Errorf("%s in %s: got %q", constraint, file, got)
			}
			if got := meddle(t, f); got != "" {
				t.Errorf("%s in %s, which this Go leaves out: got %q", constraint, file, got)
			}
		}
	}
}

// TestTagsComeFromTheSandbox holds what the Go of the sandbox says of itself
// against its version.
func TestTagsComeFromTheSandbox(t *testing.T) {
	t.Parallel()
	r := platform(t)
	tool, err := r.cfg.Sandbox.Tool("go")
	if err != nil {
		t.Fatal(err)
	}
	tags, err := (&work{r: r}).goTags(t.Context(), tool)
	if err != nil {
		t.Fatal(err)
	}
	version, err := r.toolVersion(t.Context(), tool, "version")
	if err != nil {
		t.Fatal(err)
	}
	last := tags.release[len(tags.release)-1]
	if !strings.Contains(version, " "+last) || !strings.Contains(version, "/"+tags.arch) {
		t.Errorf("%s has tags up to %s and is for %s", version, last, tags.arch)
	}
}

// TestMainPassesOn lists forms of TestMain.
func TestMainPassesOn(t *testing.T) {
	t.Parallel()
	const helpers = `
func honest(m *testing.M) int { defer println("done"); return m.Run() }
func code(m *testing.M) (code int) { code = m.Run(); println("done"); return code }
func liar(m *testing.M) int { m.Run(); return 0 }
func drops(m *testing.M) int { code := m.Run(); if code > 1 { return 1 }; return len("") }
`
	const ends = `func ends(m *testing.M) { os.Exit(m.Run()) }`
	for name, c := range map[string]struct{ main, words string }{
		"plain":                   {`os.Exit(m.Run())`, ""},
		"set-up":                  {`if err := os.Chdir("/"); err != nil { fmt.Println(err); os.Exit(1) }; os.Exit(m.Run())`, ""},
		"without exit":            {`fmt.Println("x"); m.Run()`, ""},
		"kept result":             {`code := m.Run(); os.Remove("x"); os.Exit(code)`, ""},
		"declared result":         {`var code = m.Run(); os.Exit(code)`, ""},
		"worse result":            {`code := m.Run(); if code == 0 && os.Getenv("X") != "" { code = 1 }; os.Exit(code)`, ""},
		"in a condition":          {`if code := m.Run(); code != 0 { os.Exit(code) }`, ""},
		"helper":                  {`os.Exit(honest(m))`, ""},
		"helper with a name":      {`os.Exit(code(m))`, ""},
		"helper that ends":        {`ends(m)`, ""},
		"better result":           {`code := m.Run(); if code == 1 { code = 0 }; os.Exit(code)`, "changes the result"},
		"computed result":         {`code := m.Run(); code &= 0; os.Exit(code)`, "changes the result"},
		"counted result":          {`code := m.Run(); code--; os.Exit(code)`, "changes the result"},
		"handed result":           {`code := m.Run(); p := &code; *p = 0; os.Exit(code)`, "hands the result"},
		"always green":            {`m.Run(); os.Exit(0)`, "something else than the result"},
		"green, later":            {`defer func() { os.Exit(0) }(); m.Run()`, "something else than the result"},
		"another number":          {`code := m.Run(); _ = code; zero := 0; os.Exit(zero)`, "something else than the result"},
		"not at all":              {`fmt.Println("ok"); os.Exit(1)`, "in 0 places"},
		"twice":                   {`m.Run(); os.Exit(m.Run())`, "in 2 places"},
		"in a loop":               {`for m.Run() != 0 { }`, "in a loop"},
		"in a goroutine":          {`go func() { m.Run() }(); select {}`, "in a loop, a goroutine"},
		"a pipe":                  {`r, w, _ := os.Pipe(); _, _ = r, w; os.Exit(m.Run())`, "makes a pipe"},
		"handed on":               {`mm := m; os.Exit(mm.Run())`, "for something else"},
		"as a method value":       {`run := m.Run; os.Exit(run())`, "for something else"},
		"helper that lies":        {`os.Exit(liar(m))`, "liar returns something else"},
		"helper that drops it":    {`os.Exit(drops(m))`, "drops returns something else"},
		"helper of nobody":        {`os.Exit(pkg.Run(m))`, "for something else"},
		"helper's result is lost": {`_ = honest(m); os.Exit(0)`, "something else than the result"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := files{
				"a.go": "package x\n", "b_test.go": goFile("x", helpers),
				"x_test.go": goFile("x", "func TestMain(m *testing.M) { "+c.main+" }"),
			}
			if strings.Contains(c.main, "ends(m)") {
				f["c_test.go"] = goFile("x", ends)
			}
			got := meddle(t, f)
			if c.words == "" && got != "" || !strings.Contains(got, c.words) {
				t.Errorf("got %q, want %q", got, c.words)
			}
		})
	}
}

// What cannot be parsed is a verdict too.
func TestBrokenSourceFailsItsTests(t *testing.T) {
	t.Parallel()
	res := run(t, Unit, half.with(files{"b/b.go": "package b\n\nfunc Nothing() int {\n"}))
	want(t, res, Fail, "b/b.go:3:22", "correct it")
}

// What meddles fails the check, by its file and line.
func TestMeddlingFails(t *testing.T) {
	t.Parallel()
	product := files{
		"go.mod": "module example.com/x\n\ngo 1.26\n", "x.go": "package x\n\nimport \"os\"\n\nfunc init() { os.Stdout = nil }\n",
		"x_test.go": "package x\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) { t.Fatal(1) }\n",
	}
	for _, typ := range []string{Unit, Coverage} {
		want(t, run(t, typ, product), Fail, "x.go:5 replaces os.Stdout", "io.Writer")
	}
}
