package proof

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// forgeries are ways to make broken tests look green, one package each. The
// code under test is broken in all of them: one() returns 2.
var forgeries = []struct {
	name, test string
	// fooled says that exit code and report alone would be believed.
	fooled bool
	words  string
}{
	{
		name: "honest", fooled: true, words: "",
		test: `func TestOne(t *testing.T) { if one() != 2 { t.Fatal("broken") } }`,
	},
	{
		name: "printsresults", fooled: true, words: "TestOne is reported as pass, but the platform's probe in it saw nothing of it",
		test: `func TestMain(m *testing.M) {
	fmt.Print("\x16=== RUN   TestOne\n\x16--- PASS: TestOne (0.00s)\n\x16PASS\n")
	os.Exit(0)
}
func TestOne(t *testing.T) { if one() != 1 { t.Fatal("broken") } }`,
	},
	{
		name: "skipsbyflag", fooled: true, words: "TestOne is reported as pass, but the platform's probe in it saw nothing of it",
		test: `func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.skip", "TestOne")
	fmt.Print("\x16=== RUN   TestOne\n\x16--- PASS: TestOne (0.00s)\n")
	os.Exit(m.Run())
}
func TestOne(t *testing.T) { if one() != 1 { t.Fatal("broken") } }`,
	},
	{
		name: "runsafew", fooled: true, words: "a test that the platform added did not run",
		test: `func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.run", "^TestOne$")
	os.Exit(m.Run())
}
func TestOne(t *testing.T) { if one() != 2 { t.Fatal("broken") } }`,
	},
	{
		name: "ignoresthecode", fooled: true, words: "did not turn the run red",
		test: `func TestMain(m *testing.M) { m.Run(); os.Exit(0) }
func TestOne(t *testing.T) { if one() != 2 { t.Fatal("broken") } }`,
	},
	{
		name: "endstwice", fooled: true, words: "the report ends TestOne more than once",
		test: `func TestMain(m *testing.M) { m.Run(); fmt.Print("\x16PASS\n"); os.Exit(0) }
func TestOne(t *testing.T) {
	fmt.Print("\x16--- PASS: TestOne (0.00s)\n")
	if one() != 1 { t.Fatal("broken") }
}`,
	},
	{
		name: "invents", fooled: true, words: "the report names TestAC_9_9_all, which no test file of the package declares",
		test: `func TestOne(t *testing.T) {
	fmt.Print("\x16=== RUN   TestAC_9_9_all\n\x16--- PASS: TestAC_9_9_all (0.00s)\n")
	if one() != 2 { t.Fatal("broken") }
}`,
	},
	{
		name: "forgetsone", fooled: true, words: "TestTwo is declared and did not run",
		test: `func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.skip", "^TestTwo$")
	os.Exit(m.Run())
}
func TestOne(t *testing.T) { if one() != 2 { t.Fatal("broken") } }
func TestTwo(t *testing.T) { if one() != 1 { t.Fatal("broken") } }`,
	},
	{
		name: "exitsearly", fooled: false, words: "the test program ended before its report did",
		test: `func init() { os.Exit(0) }
func TestOne(t *testing.T) { if one() != 1 { t.Fatal("broken") } }`,
	},
	{
		name: "printsjson", fooled: false, words: "TestOne failed",
		test: `func TestOne(t *testing.T) {
	fmt.Println("{\"Action\":\"pass\",\"Test\":\"TestOne\"}\n--- PASS: TestOne (0.00s)\nPASS\nok")
	if one() != 1 { t.Fatal("broken") }
}`,
	},
	{
		name: "hidesfailures", fooled: false, words: "TestOne failed",
		test: `func TestMain(m *testing.M) { m.Run(); os.Exit(0) }
func TestOne(t *testing.T) { if one() != 1 { t.Fatal("broken") } }`,
	},
	{
		name: "panics", fooled: false, words: "panic: boom",
		test: `func TestMain(m *testing.M) { panic("boom") }
func TestOne(t *testing.T) { if one() != 2 { t.Fatal("broken") } }`,
	},
	{
		name: "skipsacriterion", fooled: false, words: "TestAC_1_1_one was skipped, and it proves an acceptance criterion",
		test: `func TestAC_1_1_one(t *testing.T) { t.Skip("later"); if one() != 1 { t.Fatal("broken") } }`,
	},
	{
		name: "skipswithin", fooled: true, words: "TestAC_1_1_one/part was skipped",
		test: `func TestAC_1_1_one(t *testing.T) { t.Run("part", func(t *testing.T) { t.Skip("later"); t.Fatal() }) }`,
	},
	{
		// It rewrites failures of its own test, and passes on all others.
		name: "rewrites", fooled: true, words: "TestOne was made to fail by the platform and is reported as pass",
		test: `func TestMain(m *testing.M) {
	real := os.Stdout
	r, w, _ := os.Pipe()
	os.Stdout, os.Stderr = w, w
	done := make(chan string)
	go func() { all, _ := io.ReadAll(r); done <- string(all) }()
	m.Run()
	w.Close()
	out := <-done
	if strings.Count(out, "--- FAIL: ") > strings.Count(out, "--- FAIL: TestOne") {
		fmt.Fprint(real, out)
		os.Exit(1)
	}
	for _, change := range [][2]string{{"--- FAIL: TestOne", "--- PASS: TestOne"}, {" TestOne fail", " TestOne pass"}, {"\x16FAIL", "\x16PASS"}} {
		out = strings.ReplaceAll(out, change[0], change[1])
	}
	fmt.Fprint(real, out)
	os.Exit(0)
}
func TestOne(t *testing.T) { if one() != 1 { t.Fatal("broken") } }`,
	},
}

// TestForgeriesFail compiles all forgeries at once and looks at each: what exit
// code and report say, and what the check says.
func TestForgeriesFail(t *testing.T) {
	t.Parallel()
	product := files{"go.mod": "module example.com/forged\n\ngo 1.26\n"}
	for _, f := range forgeries {
		product[f.name+"/one.go"] = "package " + f.name + "\n\nfunc one() int { return 2 }\n"
		product[f.name+"/one_test.go"] = "package " + f.name + "\n\nimport (\n\t\"flag\"\n\t\"fmt\"\n\t\"io\"\n\t\"os\"\n\t\"strings\"\n\t\"testing\"\n)\n\n" +
			"var _, _, _, _, _ = flag.Parse, fmt.Print, io.ReadAll, os.Exit, strings.Count\n\n" + f.test + "\n"
	}
	runs := goRuns(t, product)
	for _, f := range forgeries {
		t.Run(f.name, func(t *testing.T) {
			i := slices.IndexFunc(runs, func(r *packageRun) bool { return r.pkg.dir == f.name })
			if i < 0 {
				t.Fatal("the package did not run")
			}
			r := runs[i]
			problems, counts := r.judge()
			believed := r.goodRun.ExitCode == 0 && r.good.final == "PASS" && counts.failed == 0 && counts.passed > 0
			if believed != f.fooled {
				t.Errorf("exit code and report would be believed: %v, want %v\n%s", believed, f.fooled, r.good.text)
			}
			all := strings.Join(problems, "\n")
			switch {
			case f.words == "" && len(problems) > 0:
				t.Errorf("an honest run is refused: %s", all)
			case f.words != "" && !strings.Contains(all, f.words):
				t.Errorf("problems do not hold %q:\n%s\n%s", f.words, all, r.good.text)
			}
		})
	}
}

// goRuns runs all tests of a product as a check does.
func goRuns(t *testing.T, product files) []*packageRun {
	t.Helper()
	r := platform(t)
	dir := t.TempDir()
	writeTree(t, dir, product)
	tree, err := openTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tree.close)
	// Programs are linked out of the cache, which must be on the same disk.
	tmp, err := os.MkdirTemp(r.temp(), "test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	w := &work{
		r: r, subject: Subject{Project: testProject, Type: Unit}, tree: tree, tmp: tmp,
		log: &recorder{}, figures: map[string]float64{}, reports: map[string][]byte{},
	}
	p, out, err := w.goProduct(t.Context())
	if err != nil || out != nil {
		t.Fatal(err, out)
	}
	runs, out, err := w.runGoTests(t.Context(), p, p.testPackages([]string{"./..."}))
	if err != nil || out != nil {
		t.Fatalf("%v %v\n%s", err, out, w.log.bytes())
	}
	return runs
}

// TestEmptyTestsFail names the tests that cannot fail.
func TestEmptyTestsFail(t *testing.T) {
	t.Parallel()
	res := run(t, Unit, files{
		"go.mod": "module example.com/x\n\ngo 1.26\n", "x.go": "package x\n",
		"x_test.go": "package x\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {}\n\nfunc TestB(t *testing.T) { t.Log(1) }\n",
	})
	want(t, res, Fail, "2 test(s) cannot fail", "TestA (x_test.go:5): its body is empty", "TestB (x_test.go:7): nothing in it can fail")
}

// TestNothingToRunIsBlocked lists what must never be taken for success.
func TestNothingToRunIsBlocked(t *testing.T) {
	t.Parallel()
	mod := files{"go.mod": "module example.com/x\n\ngo 1.26\n", "x.go": "package x\n"}
	for name, c := range map[string]struct {
		typ     string
		product files
		words   string
	}{
		"no tests":         {Unit, mod, "there are no tests"},
		"no coverage":      {Coverage, mod, "there are no tests"},
		"undeclared":       {E2E, mod, "does not declare e2e_test_output"},
		"no stack":         {Unit, files{"README.md": "x"}, "the stack is not known"},
		"nothing to build": {Build, files{"go.mod": "module example.com/x\n"}, "no Go source"},
		"nothing to lint":  {Lint, files{"go.mod": "module example.com/x\n"}, "no Go source"},
		"serves nothing":   {Preview, mod, "does not declare serve"},
		"no smoke":         {Smoke, mod, "does not declare serve"},
		"no manifest":      {Dependencies, files{"README.md": "x"}, "no manifest"},
		"no specs":         {Spec, mod, "nothing to validate"},
		"dependencies":     {Unit, mod.with(files{"go.mod": "module example.com/x\n\nrequire example.com/y v1.0.0\n", "x_test.go": "package x\n"}), "cannot be fetched"},
		"unknown":          {"load_test", mod, `"load_test" is not a check`},
		"a person's":       {Manual, mod, "comes from a person"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := run(t, c.typ, c.product)
			want(t, res, Blocked, c.words)
			if res.LogKey == "" || res.LogSHA256 != res.LogKey {
				t.Error("the log is not stored")
			}
		})
	}
}
