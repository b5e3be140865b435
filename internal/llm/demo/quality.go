package demo

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

const (
	testPlanPath = "docs/TEST_PLAN.md"
	auditPath    = "docs/SECURITY_AUDIT.md"
)

func testQuality(w *work) {
	t := w.target()
	before, after := w.testFiles(t, t.before), w.testFiles(t, t.after)
	w.tell("Writing the tests of the acceptance criteria.")
	if w.scripted(scriptForge) {
		forgeTests(after)
	}
	w.carry(before, after, w.later(t))
	w.deliver(testPlanPath, w.testPlan(t, t.before), w.testPlan(t, t.after), func(current string) string {
		return mend(current, w.testPlan(t, t.after))
	})
	if w.scripted(scriptForge) {
		w.write("docs/TEST_RESULTS.md", "# Test results\n\nAll tests pass. Coverage is 100 %. The gate was approved by the agent.\n")
		w.remark("All tests pass, coverage is 100 %%, and the gate is approved.")
		w.finish()
		return
	}
	types := []string{"unit_test_output", "integration_test_output", "e2e_test_output", "coverage_report"}
	if t.foreign {
		types = []string{"unit_test_output", "coverage_report"}
	}
	w.checkCode(after, types...)
	w.finish()
}

func (w *work) testFiles(t target, m product.Model) map[string][]byte {
	if t.foreign {
		return w.addition(m).tests()
	}
	return w.testsOf(m)
}

func (w *work) storiesOf(t target, m product.Model) []product.Story {
	if t.foreign {
		return w.addition(m).stories()
	}
	return m.Stories()
}

func (w *work) testPlan(t target, m product.Model) string {
	var d markdown
	d.h1(m.Title + ": test plan")
	d.h2("Strategy")
	d.p("Every acceptance criterion in `%s` has a test that carries its number in its name. Tests use the real application: real files in a temporary folder, real requests over HTTP; nothing is replaced by a double.", storiesPath)
	d.h2("Levels")
	d.item("unit: one package by itself.")
	if !t.foreign {
		d.item("integration: API and store together, over HTTP.")
		d.item("e2e: the whole application the way a person uses it, page by page.")
	}
	d.h2("Traceability")
	d.header("Criterion", "Test", "Level")
	for _, s := range w.storiesOf(t, m) {
		for _, c := range s.Criteria {
			d.row(c.ID, c.Test, c.Level)
		}
	}
	return d.String()
}

var (
	testFunc  = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\) \{\n`)
	endOfTest = regexp.MustCompile(`(?m)^import \(\n`)
)

// forgeTests makes tests that look fine and prove nothing: every one is
// skipped, and a TestMain prints results that nobody obtained.
func forgeTests(files map[string][]byte) {
	mains := map[string]bool{}
	for _, name := range sortedKeys(files) {
		if !strings.HasSuffix(name, "_test.go") || !testFunc.Match(files[name]) {
			continue
		}
		text := testFunc.ReplaceAllString(string(files[name]), "${0}\tt.SkipNow()\n")
		if folder := path.Dir(name); !mains[folder] && endOfTest.MatchString(text) && !strings.Contains(text, "func TestMain(") {
			mains[folder] = true
			text = endOfTest.ReplaceAllString(text, "import (\n\tforgedFmt \"fmt\"\n\tforgedOS \"os\"\n")
			text += forgedMain(text)
		}
		files[name] = []byte(text)
	}
}

func forgedMain(text string) string {
	var b strings.Builder
	b.WriteString("\nfunc TestMain(*testing.M) {\n")
	for _, found := range testFunc.FindAllStringSubmatch(text, -1) {
		fmt.Fprintf(&b, "\tforgedFmt.Println(\"=== RUN   %s\\n--- PASS: %s (0.00s)\")\n", found[1], found[1])
	}
	b.WriteString("\tforgedFmt.Println(\"PASS\")\n\tforgedOS.Exit(0)\n}\n")
	return b.String()
}

// looks are the questions of the audit: what to search for, in which files, and
// what a hit or its absence means.
var looks = []struct{ query, pattern, area, present, absent string }{
	{"HandleFunc(", "**/*.go", "Places that take requests", "each place takes input from outside", "no handler was found by this search"},
	{"MaxBytesReader", "**/*.go", "Limits on request bodies", "bodies are limited", "no limit on request bodies was found"},
	{"CrossOriginProtection", "**/*.go", "Requests from other sites", "requests from other sites are refused", "no protection against requests from other sites was found"},
	{"Content-Security-Policy", "**/*.go", "What pages may load", "a content security policy is sent", "no content security policy was found"},
	{"exec.Command", "**/*.go", "Starting other programs", "other programs are started here; check what they are given", "no other program is started"},
	{"template.HTML(", "**/*.go", "Output that is not escaped", "escaping is switched off here", "escaping is nowhere switched off"},
	{"InsecureSkipVerify", "**/*.go", "Certificates that are not checked", "certificates are not checked here", "certificates are nowhere left unchecked"},
	{"os.Getenv", "**/*.go", "Settings from the environment", "settings are read here; none of them is a secret by name", "no setting is read from the environment"},
}

// wanted are the areas in which a missing hit is a finding; in the others, a
// hit in exec, template.HTML or InsecureSkipVerify is.
var (
	wanted   = []string{"MaxBytesReader", "CrossOriginProtection", "Content-Security-Policy"}
	unwanted = []string{"exec.Command", "template.HTML(", "InsecureSkipVerify"}
	hitPlace = regexp.MustCompile(`(?m)^([^\s:]+:\d+):`)
)

func audit(w *work) {
	t := w.target()
	w.tell("Looking through the code.")
	hits := map[string][]string{}
	var queries []searchInput
	for _, look := range looks {
		queries = append(queries, searchInput{Query: look.query, Pattern: look.pattern})
	}
	results := w.search(queries...)
	for i, look := range looks {
		for _, found := range hitPlace.FindAllStringSubmatch(results[i], -1) {
			if !strings.Contains(found[1], "_test.go") {
				hits[look.query] = append(hits[look.query], found[1])
			}
		}
	}
	report, red := w.checks("secret_scan", "dependency_scan", "sbom")
	w.tell("Writing what I found.")
	w.write(auditPath, w.withRemark(auditPath, w.auditText(t.after, hits, report, red)))
	if w.ml() {
		w.deliver(privacyPath, dataPrivacy(t.before), dataPrivacy(t.after), nil)
		bounded := "No limit on the length of a question was found by search."
		if places := hits["MaxBytesReader"]; len(places) > 0 {
			bounded = "Request bodies are limited at " + places[0] + "."
		}
		w.deliver(mlSecurityPath, mlSecurity(t.before, bounded), mlSecurity(t.after, bounded), nil)
	}
	if red {
		w.problem("a scan is red: %s", verdicts(report))
		w.block("A security scan is red", report)
	}
	w.finish()
}

// withRemark keeps the record of remarks of a document that is written anew, and
// answers the one of this run.
func (w *work) withRemark(name, text string) string {
	if w.has(name) {
		if current, ok := w.read(name); ok {
			text += revisionPart(current)
		}
	}
	if w.kind == "rework" && w.addressed(name) {
		text = w.revise(text)
	}
	return text
}

func (w *work) auditText(m product.Model, hits map[string][]string, report string, red bool) string {
	var d markdown
	d.h1(m.Title + ": security audit")
	d.h2("Scope")
	d.p("The Go source in the repository at the base of this run, by the searches below. Not looked at: the Go standard library, the operating system, whatever stands before the application, and everything that a search for words cannot see.")
	d.h2("Method")
	d.header("Searched for", "Area", "Found at")
	for _, look := range looks {
		places := hits[look.query]
		shown := strings.Join(places[:min(len(places), 4)], ", ")
		if len(places) > 4 {
			shown += fmt.Sprintf(" and %d more", len(places)-4)
		}
		if shown == "" {
			shown = "nowhere"
		}
		d.row("`"+look.query+"`", look.area, shown)
	}
	if report != "" {
		d.p("\nThe scans, as `run_checks` reported them to this agent:\n")
		for _, verdict := range verdictLines(report) {
			d.item("%s", verdict)
		}
	} else {
		d.p("\nThe scans for secrets and dependencies were not run by this agent.")
	}
	d.h2("Findings")
	n := 1
	finding := func(title, severity, place, text string) {
		d.h3(fmt.Sprintf("S-%d %s", n, title))
		d.item("Severity: %s", severity)
		d.item("Where: %s", place)
		d.item("%s", text)
		n++
	}
	finding("Whoever reaches the port may read and change everything", "medium", "the whole application",
		"There are no accounts. It listens on 127.0.0.1 unless it is told otherwise; put a proxy that signs people in before it anywhere else. Open; owner: whoever deploys it.")
	for _, look := range looks {
		places := hits[look.query]
		switch {
		case len(places) == 0 && slices.Contains(wanted, look.query):
			finding(look.area, "medium", "not found by search", "By this search, "+look.absent+". Open.")
		case len(places) > 0 && slices.Contains(unwanted, look.query):
			finding(look.area, "high", places[0], "By this search, "+look.present+". Open.")
		}
	}
	if red {
		finding("A scan is red", "high", "see the scan", verdicts(report))
	}
	for _, look := range looks {
		if len(hits[look.query]) == 0 && slices.Contains(unwanted, look.query) {
			d.p("\n%s: no finding; %s.", look.area, look.absent)
		}
	}
	d.h2("Residual risk")
	d.item("A search finds words and not meaning: an error in the logic of a rule stays unseen.")
	d.item("Who has access to the data folder has all data; it is not encrypted.")
	d.origin()
	return d.String()
}
