package proof

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// notes is a small Node product without dependencies.
var notes = files{
	"package.json": `{"name": "notes", "version": "1.0.0", "type": "module", "scripts": {"start": "node server.js", "test:unit": "node --test test/", "test:api": "node --test api/"}}`,
	RecipesPath: `version: 1
stack: node
serve: {script: start, port: 3000, health: /health, smoke: [/, /health]}
checks:
  unit_test_output: {script: "test:unit", report: tap}
  integration_test_output: {script: "test:api", report: junit.xml}
`,
	"lib.js":           "export function max(a, b) {\n  if (a > b) {\n    return a;\n  }\n  return b;\n}\n",
	"server.js":        "import { createServer } from 'node:http';\nimport { max } from './lib.js';\n\ncreateServer((req, res) => {\n  if (req.url !== '/' && req.url !== '/health') {\n    res.statusCode = 404;\n  }\n  res.setHeader('Content-Type', 'text/plain');\n  res.end('ok ' + max(1, 2));\n}).listen(process.env.PORT, '127.0.0.1', () => console.log('listening'));\n",
	"test/lib.test.js": "import { test, describe, it } from 'node:test';\nimport assert from 'node:assert';\nimport { max } from '../lib.js';\n\ntest('AC-1.1 takes the larger', () => { assert.equal(max(2, 1), 2); });\ndescribe('max', () => { it('of equals', () => { assert.equal(max(1, 1), 1); }); it.skip('later', () => { assert.ok(false); }); });\n",
	"api/old.test.cjs": "const { test } = require('node:test');\nconst assert = require('node:assert');\n\ntest('AC-1.2 still loads', async () => { const { max } = await import('../lib.js'); assert.equal(max(3, 2), 3); });\n",
}

func TestNode(t *testing.T) {
	t.Parallel()
	needNode(t)
	script := func(name, text string) files {
		return notes.with(files{"package.json": `{"name": "notes", "type": "module", "scripts": {"` + name + `": "` + text + `"}}`})
	}
	unit := func(text string) files { return notes.with(files{"test/lib.test.js": text}) }
	head := "import { test } from 'node:test';\nimport assert from 'node:assert';\n"
	broken := "test('one', () => { assert.equal(1, 2); });\n"
	for name, c := range map[string]struct {
		typ     string
		product files
		verdict Verdict
		words   string
	}{
		"unit":               {Unit, notes, Pass, "2 tests passed, 1 skipped"},
		"JUnit and CommonJS": {Integration, notes, Pass, "1 tests passed"},
		"build":              {Build, notes, Pass, "no build script"},
		"lint":               {Lint, notes, Pass, "valid JavaScript"},
		"a syntax error":     {Lint, notes.with(files{"lib.js": "export function {\n"}), Fail, "lib.js is not valid JavaScript: SyntaxError"},
		"starts":             {Preview, notes, Pass, "2 path(s) answer"},
		"deploys":            {Deployment, notes, Pass, "starts and is healthy"},
		"smokes":             {Smoke, notes, Pass, "2 request(s) answered"},
		"ends":               {Preview, notes.with(files{"server.js": "process.exit(4);\n"}), Fail, "exit code 4"},
		"a failing test":     {Unit, unit(head + broken), Fail, "one failed"},
		"an empty test":      {Unit, unit(head + "test('nothing', async () => { });\n"), Fail, "nothing of test/lib.test.js has an empty body"},
		"exits early":        {Unit, unit(head + broken + "process.exit(0);\n"), Fail, "the file ended before its end"},
		"prints results":     {Unit, unit(head + "console.log('ok 1 - one\\n1..1');\nprocess.exit(0);\n" + broken), Fail, "the file ended before its end"},
		"skips a criterion":  {Unit, unit(head + "test.skip('AC-1.1 later', () => { assert.ok(false); });\n"), Fail, "AC-1.1 later was skipped"},
		"only skips":         {Unit, unit(head + "test.skip('later', () => { assert.ok(false); });\n"), Blocked, "no test passed"},
		"no test in it":      {Unit, unit("console.log('hello');\n"), Blocked, "no test passed"},
		"no files":           {Unit, notes.with(files{"test/lib.test.js": ""}), Blocked, "there are no test files"},
		"a shell":            {Unit, script("test:unit", "node --test test/ || true"), Blocked, `"||", which needs a shell`},
		"another program":    {Unit, script("test:unit", "vitest run"), Blocked, `only scripts of the form`},
		"options":            {Unit, script("test:unit", "node --test --test-name-pattern=x test/"), Blocked, "the platform chooses the options"},
		"not a test":         {Unit, script("test:unit", "node lib.js"), Blocked, "does not run node --test"},
		"no script":          {Unit, script("other", "node lib.js"), Blocked, `has no script "test:unit"`},
		"evaluates":          {Preview, script("start", "node -e 1"), Blocked, "begins with the option -e"},
		"dependencies":       {Unit, notes.with(files{"package.json": `{"dependencies": {"left-pad": "1"}, "scripts": {"test:unit": "node --test"}}`}), Blocked, "cannot be fetched"},
		"a broken manifest":  {Unit, notes.with(files{"package.json": "{"}), Fail, "package.json cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := runOn(t, Subject{Project: testProject, Gate: "G8", Type: c.typ, Commit: commit(t, c.product)})
			want(t, res, c.verdict, c.words)
			t.Logf("%d ms", res.Duration.Milliseconds())
		})
	}
}

func TestNodeCoverage(t *testing.T) {
	t.Parallel()
	needNode(t)
	plan := files{
		storiesPath: strings.Split(userStories, "## US-2")[0],
		planPath:    "# Plan\n\n## Traceability\n\n| Criterion | Test | Level |\n|---|---|---|\n| AC-1.1 | AC-1.1 takes the larger | unit |\n| AC-1.2 | AC-1.2 still loads | integration |\n",
	}
	check := func(tier int, product files) Result {
		return runOn(t, Subject{Project: testProject, Type: Coverage, Tier: tier, Commit: commit(t, product)})
	}
	res := check(30, notes.with(plan))
	want(t, res, Pass)
	// Six lines of lib.js run, nine of server.js that are not blank do not.
	if res.Figures["coverage"] != 40 || res.Figures["criteria"] != 2 {
		t.Errorf("figures %v, want coverage 40 and 2 criteria\n%s", res.Figures, res.Log)
	}
	want(t, check(50, notes), Fail, "coverage is 40.0 %, the quality tier asks for 50 %", "server.js")
	want(t, check(30, notes.with(plan).with(files{planPath: strings.Replace(plan[planPath], "still loads", "is gone", 1)})), Fail, "no test that was run is called AC-1.2 is gone")
}

func TestReadReports(t *testing.T) {
	t.Parallel()
	tap := "TAP version 13\n# Subtest: a \\# b\nok 1 - a \\# b\n  ---\n  duration_ms: 1\n  ...\n# Subtest: group\n    # Subtest: inner\n    not ok 1 - inner\n      ---\n      error: 'boom'\n      ...\n    ok 2 - later # SKIP\n    1..2\nnot ok 2 - group\n  ---\n  type: 'suite'\n  ...\n1..2\n"
	junit := "<?xml version=\"1.0\"?>\n<testsuites>\n<testcase name=\"a # b\" time=\"1\"/>\n<testsuite name=\"group\"><testcase name=\"inner\"><failure message=\"boom\">at x</failure></testcase><testcase name=\"later\"><skipped/></testcase></testsuite>\n</testsuites>\n"
	want := []scriptTest{{name: "a # b", action: "pass"}, {name: "inner", action: "fail"}, {name: "later", action: "skip"}}
	for name, read := range map[string]func() ([]scriptTest, error){
		"TAP":   func() ([]scriptTest, error) { return readTAP(tap) },
		"JUnit": func() ([]scriptTest, error) { return readJUnit(junit) },
	} {
		got, err := read()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range got {
			if got[i].action == "fail" && !strings.Contains(got[i].detail, "boom") {
				t.Errorf("%s: detail %q", name, got[i].detail)
			}
			got[i].detail = ""
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(scriptTest{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, broken := range []string{"", "ok 1 - a\n", "TAP version 13\nok 1 - a\n1..2\n"} {
		if got, err := readTAP(broken); err == nil {
			t.Errorf("accepted TAP %q: %v", broken, got)
		}
	}
	for _, broken := range []string{"", "<testsuites>", "<testsuites><testcase name='a'>", "hello"} {
		if got, err := readJUnit(broken); err == nil {
			t.Errorf("accepted JUnit %q: %v", broken, got)
		}
	}
}

func TestReadLCOV(t *testing.T) {
	t.Parallel()
	got, err := readLCOV("TN:\nSF:lib.js\nDA:1,3\nDA:2,0\nend_of_record\nSF:/src/x.js\nDA:9,1\nend_of_record\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]map[int]bool{"lib.js": {1: true, 2: false}, "x.js": {9: true}}, got); diff != "" {
		t.Error(diff)
	}
	for _, broken := range []string{"DA:1,1\n", "SF:a\nDA:x\n", "SF:a\nDA:0,1\n"} {
		if got, err := readLCOV(broken); err == nil {
			t.Errorf("accepted %q: %v", broken, got)
		}
	}
}
