package proof

import (
	"testing"
)

func TestBuildAndLint(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		typ     string
		product files
		verdict Verdict
		words   string
	}{
		"builds":          {Build, plants, Pass, "programs: plants"},
		"a library":       {Build, half, Pass, "2 package(s) compile"},
		"does not":        {Build, plants.with(files{"internal/greet/greet.go": "package greet\n\nfunc Hello() string { return 1 }\n"}), Fail, "internal/greet/greet.go:3"},
		"a syntax error":  {Build, plants.with(files{"internal/greet/greet.go": "package greet\n\nfunc {\n"}), Fail, "greet.go:3"},
		"no go.mod":       {Build, plants.with(files{"go.mod": ""}), Fail, "there is no go.mod"},
		"cgo":             {Build, files{"go.mod": "module example.com/x\n", "x.go": "package x\n\nimport \"C\"\n"}, Blocked, "no Go source"},
		"a newer Go":      {Build, half.with(files{"go.mod": "module example.com/half\n\ngo 1.99\n"}), Fail, "1.99"},
		"clean":           {Lint, plants, Pass, "no finding"},
		"not formatted":   {Lint, half.with(files{"b/b.go": "package b\nfunc  F() {}\n"}), Fail, "run gofmt -w on b/b.go"},
		"vet":             {Lint, half.with(files{"b/b.go": "package b\n\nimport \"fmt\"\n\n// F prints.\nfunc F() { fmt.Printf(\"%d\\n\", \"x\") }\n"}), Fail, "b/b.go:6"},
		"vet of tests":    {Lint, half.with(files{"b/b_test.go": "package b\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) { t.Fatalf(\"%d\", \"x\") }\n"}), Fail, "b/b_test.go:5"},
		"tests that fail": {Unit, half.with(files{"a/a.go": "package a\n\n// Max is wrong.\nfunc Max(x, y int) int { return y }\n"}), Fail, "a: TestAC_1_1_max failed"},
		"tests that do not compile": {
			Unit, half.with(files{"a/a_test.go": "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) { t.Fatal(Min(1)) }\n"}), Fail, "undefined: Min",
		},
		"same name twice": {
			Unit, half.with(files{
				"x/a/a.go": half["a/a.go"], "x/a/a_test.go": half["a/a_test.go"],
				"y/a/v2/a.go": half["a/a.go"], "y/a/v2/a_test.go": half["a/a_test.go"],
			}), Pass, "3 tests passed in 3 package(s)",
		},
		"at the root": {Unit, files{"go.mod": "module example.com/root\n", "a.go": half["a/a.go"], "a_test.go": half["a/a_test.go"]}, Pass, "1 tests passed"},
		"a program's tests": {
			Unit, files{"go.mod": "module example.com/root\n", "main.go": "package main\n\nfunc main() {}\n", "main_test.go": "package main\n\nimport \"testing\"\n\nfunc TestMainWorks(t *testing.T) {\n\tdefer func() {\n\t\tif recover() != nil {\n\t\t\tt.Fatal(\"broken\")\n\t\t}\n\t}()\n\tmain()\n}\n"}, Pass, "1 tests passed",
		},
		"only tests of a program":      {Build, half.with(programTests), Pass, "3 package(s) compile"},
		"tests beside another program": {Build, plants.with(files{"more/more_test.go": programTests["e2e/e2e_test.go"]}), Pass, "programs: plants"},
		"tests beside no program":      {Unit, half.with(programTests), Pass, "2 tests passed in 2 package(s)"},
		"programs of one name":         {Build, half.with(twice), Pass, "programs: app, app-2, app-3"},
		"a package that is broken, beside programs of one name": {
			Build, half.with(twice).with(files{"b/b.go": "package b\n\nfunc F() int { return \"\" }\n"}), Fail, "b/b.go:3",
		},
		"the one that is served":    {Preview, plants.with(files{"tools/plants/main.go": "package main\n\nfunc main() { panic(\"the other\") }\n"}), Pass, ""},
		"all of one name, deployed": {Deployment, half.with(twice), Pass, "deployed"},
		"a nested module":           {Unit, half.with(files{"sub/go.mod": "module example.com/sub\n", "sub/s_test.go": "package sub\n\nbroken"}), Pass, "1 tests passed"},
		"vendored":                  {Build, half.with(files{"go.mod": "module example.com/half\n\ngo 1.26\n\nrequire example.com/y v1.0.0\n", "vendor/modules.txt": "# example.com/y v1.0.0\n## explicit; go 1.26\nexample.com/y\n", "vendor/example.com/y/y.go": "package y\n\n// Y is one.\nconst Y = 1\n", "b/b.go": "package b\n\nimport \"example.com/y\"\n\n// Z is one.\nconst Z = y.Y\n"}), Pass, "compile"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := run(t, c.typ, c.product)
			want(t, res, c.verdict, c.words)
			t.Logf("%d ms: %s", res.Duration.Milliseconds(), res.Reason)
		})
	}
}

// programTests are tests in a package that is called main and has no program.
var programTests = files{"e2e/e2e_test.go": "package main_test\n\nimport \"testing\"\n\nfunc TestWhole(t *testing.T) {\n\tif len(\"whole\") != 5 {\n\t\tt.Fatal(\"broken\")\n\t}\n}\n"}

// twice are programs of which two have one name, and another the name that one
// of them could be given.
var twice = files{
	"cmd/app/main.go":   "package main\n\nfunc main() {}\n",
	"cmd/app-2/main.go": "package main\n\nfunc main() {}\n",
	"tools/app/main.go": "package main\n\nfunc main() {}\n",
}
