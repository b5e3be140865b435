package proof

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// half is a product whose tests run two of its four statements, and one of its
// files not at all.
var half = files{
	"go.mod": "module example.com/half\n\ngo 1.26\n",
	"a/a.go": "package a\n\n// Max returns the larger.\nfunc Max(x, y int) int {\n\tif x > y {\n\t\treturn x\n\t}\n\treturn y\n}\n",
	"a/a_test.go": `package a

import "testing"

func TestAC_1_1_max(t *testing.T) {
	if Max(2, 1) != 2 {
		t.Error("wrong")
	}
}
`,
	"b/b.go": "package b\n\n// Nothing runs this.\nfunc Nothing() int {\n\treturn 0\n}\n",
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	docs := files{prdPath: prd, storiesPath: userStories, planPath: testPlan}
	for name, c := range map[string]struct {
		product  files
		tier     int
		verdict  Verdict
		coverage float64
		words    []string
	}{
		"above the tier": {half, 50, Pass, 50, []string{"50.0 % of 4 statements"}},
		"below the tier": {half, 60, Fail, 50, []string{"coverage is 50.0 %, the quality tier asks for 60 %", "a/a.go"}},
		"a forged file": {
			half.with(files{"coverage.out": "mode: set\nexample.com/half/a/a.go:1.1,9.2 100 1\n", "profile": "mode: set\n"}), 60, Fail, 50,
			[]string{"50.0 %"},
		},
		"a whole plan":    {plants.with(docs), 60, Pass, 0, nil},
		"a missing test":  {plants.with(docs).with(files{planPath: strings.ReplaceAll(testPlan, "TestAC_2_2_whole_way", "TestAC_2_2_other")}), 60, Fail, 0, []string{"no test that was run is called TestAC_2_2_other"}},
		"a missing line":  {plants.with(docs).with(files{planPath: strings.Replace(testPlan, "| AC-1.1 | TestAC_1_1_keeps_a_plant | unit |\n", "", 1)}), 60, Fail, 0, []string{"AC-1.1 of docs/USER_STORIES.md has no test"}},
		"a foreign name":  {plants.with(docs).with(files{planPath: strings.Replace(testPlan, "TestAC_1_1_keeps_a_plant", "TestHello", 1)}), 60, Fail, 0, []string{"does not carry the name of AC-1.1"}},
		"a test left out": {plants.with(docs).with(files{"e2e/e2e_test.go": "//go:build slow\n\n" + plants["e2e/e2e_test.go"]}), 60, Fail, 0, []string{"no test that was run is called TestAC_2_2_whole_way"}},
		"tests that say where it is": {
			half.with(files{"a/main_test.go": "package a\n\nimport \"flag\"\n\nvar at = flag.Lookup(\"test.coverprofile\")\n"}), 60, Fail, 0,
			[]string{`a/main_test.go:5 names the flag "test.coverprofile"`},
		},
		// The others are written so that only the profile itself betrays them.
		"tests that forge it": {
			half.with(files{"a/main_test.go": `package a

import (
	"os"
	"regexp"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	name := "/cov" + "er/profile"
	data, _ := os.ReadFile(name)
	os.WriteFile(name, regexp.MustCompile("(?m) 0$").ReplaceAll(data, []byte(" 1")), 0o644)
	os.Exit(code)
}
`}), 60, Fail, 0, []string{"the coverage profile contradicts what the platform knows of the run"},
		},
		"tests that invent files": {
			half.with(files{"a/main_test.go": `package a

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	f, _ := os.OpenFile("/cov"+"er/profile", os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString("example.com/half/c/c.go:1.1,2.2 100 1\nexample.com/half/a/a.go:1.1,99.2 100 1\n")
	f.Close()
	os.Exit(code)
}
`}), 60, Fail, 0, []string{"example.com/half/c/c.go, which this commit does not have", "line 99 of a/a.go, which has 10"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := runOn(t, Subject{Project: testProject, Gate: "G6", Type: Coverage, Tier: c.tier, Commit: commit(t, c.product)})
			want(t, res, c.verdict, c.words...)
			if c.coverage > 0 && res.Figures["coverage"] != c.coverage {
				t.Errorf("coverage %v, want %v", res.Figures["coverage"], c.coverage)
			}
		})
	}
}

func TestReadProfile(t *testing.T) {
	t.Parallel()
	got, err := readProfile([]byte("mode: set\nm/a b.go:1.2,3.4 5 1\n"))
	if err == nil {
		t.Errorf("accepted a name with a blank: %v", got)
	}
	got, err = readProfile([]byte("mode: set\nm/a.go:1.2,3.4 5 0\nm/a.go:3.4,3.9 1 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []block{
		{file: "m/a.go", startLine: 1, startCol: 2, endLine: 3, endCol: 4, statements: 5},
		{file: "m/a.go", startLine: 3, startCol: 4, endLine: 3, endCol: 9, statements: 1, hit: true},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{})); diff != "" {
		t.Error(diff)
	}
	for _, wrong := range []string{"", "mode: count\n", "mode: set\nx\n", "mode: set\na.go:1.2,3.4 5\n", "mode: set\na.go:1.2,3 5 1\n", "mode: set\na.go:-1.2,3.4 5 1\n", "mode: set\n\nmode: set\n"} {
		if _, err := readProfile([]byte(wrong)); err == nil {
			t.Errorf("accepted %q", wrong)
		}
	}
}
