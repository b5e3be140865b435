package proof

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// scriptTest is the end of one test of a script runner. Suites, which only
// hold others, are left out.
type scriptTest struct {
	name   string
	action string // pass, fail, skip
	detail string
}

var (
	tapLine = regexp.MustCompile(`^( *)(not ok|ok) \d+ - (.*)$`)
	tapNote = regexp.MustCompile(` # (SKIP|TODO)\b.*$`)
	tapPlan = regexp.MustCompile(`^1\.\.(\d+)`)
)

// readTAP parses TAP as node --test writes it (version 13, subtests indented by
// four). A report without its plan is broken off.
func readTAP(out string) ([]scriptTest, error) {
	var tests []scriptTest
	plan, top, block := -1, 0, false
	var detail strings.Builder
	last := -1
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\r\n")
		text := strings.TrimLeft(line, " ")
		switch {
		case block && text == "...":
			block = false
			if last >= 0 && strings.Contains(detail.String(), "type: 'suite'") {
				tests = append(tests[:last], tests[last+1:]...)
			} else if last >= 0 {
				tests[last].detail = detail.String()
			}
		case block:
			detail.WriteString(text + "\n")
		case text == "---" && last >= 0:
			block = true
			detail.Reset()
		default:
			if m := tapLine.FindStringSubmatch(line); m != nil {
				if m[1] == "" {
					top++
				}
				tests, last = append(tests, tapTest(m[2], m[3])), len(tests)
			} else if m := tapPlan.FindStringSubmatch(line); m != nil {
				_, _ = fmt.Sscan(m[1], &plan) // the pattern admits only digits
			}
		}
	}
	if plan < 0 || plan != top {
		return nil, fmt.Errorf("the TAP report is not complete: %d tests for a plan of %d", top, max(plan, 0))
	}
	return tests, nil
}

func tapTest(state, name string) scriptTest {
	t := scriptTest{action: "pass"}
	if state == "not ok" {
		t.action = "fail"
	}
	if tapNote.MatchString(name) {
		t.action = "skip"
		name = tapNote.ReplaceAllString(name, "")
	}
	t.name = strings.NewReplacer(`\#`, "#", `\\`, `\`).Replace(name)
	return t
}

// readJUnit parses a JUnit XML report.
func readJUnit(out string) ([]scriptTest, error) {
	type testcase struct {
		Name    string `xml:"name,attr"`
		Failure *struct {
			Message string `xml:"message,attr"`
			Text    string `xml:",chardata"`
		} `xml:"failure"`
		Error   *struct{} `xml:"error"`
		Skipped *struct{} `xml:"skipped"`
	}
	d := xml.NewDecoder(strings.NewReader(out))
	var tests []scriptTest
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the JUnit report is not complete: %w", err)
		}
		switch x := token.(type) {
		case xml.EndElement:
			depth--
		case xml.StartElement:
			depth++
			if x.Name.Local != "testcase" {
				continue
			}
			var c testcase
			if err := d.DecodeElement(&c, &x); err != nil {
				return nil, fmt.Errorf("the JUnit report is not complete: %w", err)
			}
			depth--
			t := scriptTest{name: c.Name, action: "pass"}
			switch {
			case c.Skipped != nil:
				t.action = "skip"
			case c.Failure != nil:
				t.action, t.detail = "fail", c.Failure.Message+"\n"+c.Failure.Text
			case c.Error != nil:
				t.action = "fail"
			}
			tests = append(tests, t)
		}
	}
	if depth != 0 || len(tests) == 0 && !strings.Contains(out, "<testsuites") {
		return nil, errors.New("the JUnit report is empty")
	}
	return tests, nil
}

// readLCOV returns the hits of each line by file, as LCOV's SF and DA records
// have them.
func readLCOV(data string) (map[string]map[int]bool, error) {
	out := map[string]map[int]bool{}
	var lines map[int]bool
	for line := range strings.Lines(data) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch key {
		case "SF":
			lines = map[int]bool{}
			out[strings.TrimPrefix(value, "/src/")] = lines
		case "DA":
			var n, hits int
			if _, err := fmt.Sscanf(value, "%d,%d", &n, &hits); err != nil || lines == nil || n < 1 {
				return nil, fmt.Errorf("the LCOV profile has the line %q, which is not one", shorten(line, 60))
			}
			lines[n] = hits > 0
		case "end_of_record":
			lines = nil
		}
	}
	return out, nil
}
