package proof

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// testResult is the end of one test or subtest, as the report has it.
type testResult struct {
	name    string
	action  string // pass, fail, skip
	seconds float64
}

// testReport is what a test binary said. ended holds the first end of every
// test by name; repeated names one that ended twice, which no real run does.
type testReport struct {
	ended    map[string]testResult
	order    []string
	repeated []string
	started  map[string]bool
	probes   map[string]string // test → pass, fail, skip
	cries    map[string]bool   // test → the canary's own words were seen
	final    string            // PASS, FAIL, or "" when it never got there
	text     []byte            // for people, without what the platform added
}

// marker begins each line that the testing package writes about a test, in the
// form that -test.v=test2json asks for (see cmd/internal/test2json).
const marker = 0x16

var (
	endLine   = regexp.MustCompile(`^ *--- (PASS|FAIL|SKIP): (\S+) \(([0-9.]+)s\)$`)
	stateLine = regexp.MustCompile(`^ *=== (RUN|PAUSE|CONT|NAME) +(\S*)$`)
)

// readReport parses the output of a test binary. Only marked lines say
// anything about tests; all else is output of the test that is running.
func readReport(out []byte, c canary) *testReport {
	r := &testReport{
		ended: map[string]testResult{}, started: map[string]bool{},
		probes: map[string]string{}, cries: map[string]bool{},
	}
	running := ""
	for len(out) > 0 {
		var line []byte
		line, out = nextLine(out)
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" || text[0] != marker {
			running = r.output(running, string(line), c)
			continue
		}
		text = text[1:]
		if m := stateLine.FindStringSubmatch(text); m != nil {
			running = m[2]
			r.started[m[2]] = r.started[m[2]] || m[1] == "RUN"
			if m[1] == "RUN" && !c.owns(text) {
				r.text = append(r.text, text+"\n"...)
			}
			continue
		}
		if m := endLine.FindStringSubmatch(text); m != nil {
			r.end(m[2], m[1], m[3])
			running = m[2]
		}
		if text == "PASS" || text == "FAIL" {
			r.final, running = text, ""
		}
		if !c.owns(text) {
			r.text = append(r.text, text+"\n"...)
		}
	}
	return r
}

// nextLine cuts at the end of a line, or before a marker within one.
func nextLine(out []byte) (line, rest []byte) {
	end := bytes.IndexByte(out, '\n') + 1
	if end == 0 {
		end = len(out)
	}
	if m := bytes.IndexByte(out[1:end], marker); m >= 0 {
		end = m + 1
	}
	return out[:end], out[end:]
}

// owns reports whether a line was written by what the platform added.
func (c canary) owns(line string) bool {
	return c.nonce != "" && (strings.Contains(line, c.nonce) || strings.Contains(line, c.cry) || strings.Contains(line, c.test))
}

func (r *testReport) output(running, line string, c canary) string {
	if c.nonce != "" {
		if _, said, ok := strings.Cut(line, c.nonce+" "); ok {
			if name, end, ok := strings.Cut(strings.TrimSpace(said), " "); ok {
				r.probes[name] = end
			}
			return running
		}
		if strings.Contains(line, c.cry) {
			r.cries[running] = true
			return running
		}
	}
	r.text = append(r.text, line...)
	return running
}

func (r *testReport) end(name, verdict, seconds string) {
	if _, ok := r.ended[name]; ok {
		r.repeated = append(r.repeated, name)
		return
	}
	s, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		s = 0
	}
	r.ended[name] = testResult{name: name, action: strings.ToLower(verdict), seconds: s}
	r.order = append(r.order, name)
}

// events writes the ends in the form of go test -json, one object a line.
func (r *testReport) events(pkg string, c canary) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, name := range r.order {
		if name == c.test {
			continue
		}
		e := r.ended[name]
		// A map of these types always encodes.
		_ = enc.Encode(map[string]any{"Action": e.action, "Package": pkg, "Test": name, "Elapsed": e.seconds})
	}
	return out.Bytes()
}

func topLevel(name string) bool { return !strings.Contains(name, "/") }
