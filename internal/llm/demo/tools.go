package demo

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// continued marks where the next piece of a file that is written in several
// calls belongs; the last call takes it out.
const continued = "[[the demo model continues here]]"

// The inputs of the tools, as the platform's table of tools names them.
type (
	pathInput struct {
		Path   string `json:"path"`
		Offset int    `json:"offset,omitempty"`
	}
	writeInput struct {
		Path    string `json:"path"`
		Content string `json:"content"`
	}
	editInput struct {
		Path string `json:"path"`
		Old  string `json:"old"`
		New  string `json:"new"`
	}
	listInput struct {
		Pattern string `json:"pattern,omitempty"`
	}
	searchInput struct {
		Query   string `json:"query"`
		Pattern string `json:"pattern,omitempty"`
	}
	checksInput struct {
		Types []string `json:"types,omitempty"`
	}
	askInput struct {
		Question   string   `json:"question"`
		Options    []string `json:"options,omitempty"`
		Suggestion string   `json:"suggestion"`
		Blocking   bool     `json:"blocking"`
	}
	decisionInput struct {
		Title    string `json:"title"`
		Decision string `json:"decision"`
		Reason   string `json:"reason"`
	}
	blockerInput struct {
		Title    string `json:"title"`
		Detail   string `json:"detail"`
		Severity string `json:"severity"`
	}
	riskInput struct {
		Title      string `json:"title"`
		Detail     string `json:"detail"`
		Likelihood string `json:"likelihood"`
		Impact     string `json:"impact"`
	}
	designInput struct {
		Number      int    `json:"number"`
		Title       string `json:"title"`
		HTML        string `json:"html"`
		Rationale   string `json:"rationale"`
		Recommended bool   `json:"recommended,omitempty"`
	}
	finishInput struct {
		Summary string `json:"summary"`
	}
)

// attempt posts a call and, when it is refused, the same once more: a refusal
// may be a passing one. It returns the second refusal.
func (w *work) attempt(name string, input any) (refusal string) {
	for range 2 {
		result, ok := w.post(name, input)
		if !ok || !result.IsError {
			return ""
		}
		refusal = oneLine(result.Content, 200)
	}
	return refusal
}

// write puts a whole file, in as many calls as the token limit asks for. A
// refusal becomes a problem of the summary.
func (w *work) write(path, content string) bool {
	if before, ok := w.contents[path]; ok && before == content && slices.Contains(w.wrote, path) {
		return true
	}
	pieces := split(content, w.chunk)
	for i, piece := range pieces {
		if i < len(pieces)-1 {
			piece += continued
		}
		var refusal string
		if i == 0 {
			refusal = w.attempt("write_file", writeInput{Path: path, Content: piece})
		} else {
			refusal = w.attempt("edit_file", editInput{Path: path, Old: continued, New: piece})
		}
		if refusal != "" {
			w.problem("%s could not be written: %s", path, refusal)
			return false
		}
	}
	w.remember(path, content)
	return true
}

func (w *work) remember(path, content string) {
	if !slices.Contains(w.wrote, path) {
		w.wrote = append(w.wrote, path)
	}
	w.contents[path] = content
	delete(w.missing, path)
}

// writeAll puts files in the order of their paths.
func (w *work) writeAll(files map[string][]byte) {
	for _, path := range sortedKeys(files) {
		w.write(path, string(files[path]))
	}
}

// split cuts content into pieces whose JSON form has about size bytes, at line
// ends where a line fits.
func split(content string, size int) []string {
	if len(encode(content)) <= size {
		return []string{content}
	}
	var pieces []string
	piece, length := "", 0
	for _, line := range strings.SplitAfter(content, "\n") {
		for line != "" {
			part := prefix(line, max(size/2, 8))
			line = line[len(part):]
			n := len(encode(part))
			if length > 0 && length+n > size {
				pieces, piece, length = append(pieces, piece), "", 0
			}
			piece, length = piece+part, length+n
		}
	}
	return append(pieces, piece)
}

// edit replaces one passage of a file. When the passage is not there it reads
// the file again and decides anew, once.
func (w *work) edit(path, old, replacement string) bool {
	result, ok := w.post("edit_file", editInput{Path: path, Old: old, New: replacement})
	if !ok || !result.IsError {
		text, known := w.contents[path]
		if !slices.Contains(w.wrote, path) {
			w.wrote = append(w.wrote, path)
		}
		if known {
			w.contents[path] = strings.Replace(text, old, replacement, 1)
		}
		return true
	}
	w.forget(path)
	text, found := w.read(path)
	switch {
	case found && strings.Contains(text, replacement):
		return true
	case found && strings.Contains(text, old):
		return w.write(path, strings.Replace(text, old, replacement, 1))
	}
	w.problem("%s could not be edited: %s", path, oneLine(result.Content, 200))
	return false
}

// read returns the text of a file, asking for it once.
func (w *work) read(path string) (string, bool) {
	text, ok := w.readAll([]string{path})[path]
	return text, ok
}

// moreLines is the note below a part of a file.
var moreLines = regexp.MustCompile(`\n\[[^\n]* has \d+ lines; this is \d+ to \d+\. Read on with offset (\d+)\.\]\s*$`)

// readOn fetches the rest of a file that came in parts.
func (w *work) readOn(path, text string) string {
	for {
		note := moreLines.FindStringSubmatchIndex(text)
		if note == nil {
			return text
		}
		offset, _ := strconv.Atoi(text[note[2]:note[3]])
		text = text[:note[0]]
		next := w.need("read_file", pathInput{Path: path, Offset: offset})
		if next.IsError {
			return text
		}
		text += next.Content
	}
}

// readAll returns the texts of files in as few turns as possible; missing ones
// are left out. What this run wrote or has read it knows already.
func (w *work) readAll(paths []string) map[string]string {
	waiting := false
	for _, path := range paths {
		if _, known := w.contents[path]; known || w.missing[path] {
			continue
		}
		result, ok := w.post("read_file", pathInput{Path: path})
		switch {
		case !ok:
			waiting = true
		case result.IsError:
			w.missing[path] = true
		default:
			w.contents[path] = w.readOn(path, result.Content)
		}
	}
	if waiting {
		panic(pause{})
	}
	found := map[string]string{}
	for _, path := range paths {
		if text, ok := w.contents[path]; ok {
			found[path] = text
		}
	}
	return found
}

// preload reads files that this run will need, together.
func (w *work) preload(paths ...string) {
	w.readAll(slices.DeleteFunc(paths, func(path string) bool { return !w.has(path) }))
}

// forget makes the next read of a file a new one.
func (w *work) forget(path string) {
	delete(w.contents, path)
	delete(w.missing, path)
}

// search returns what search_files found for each query, "" for nothing.
func (w *work) search(inputs ...searchInput) []string {
	found, waiting := make([]string, len(inputs)), false
	for i, input := range inputs {
		result, ok := w.post("search_files", input)
		waiting = waiting || !ok
		if ok && !result.IsError {
			found[i] = result.Content
		}
	}
	if waiting {
		panic(pause{})
	}
	return found
}

var (
	redVerdict = regexp.MustCompile(`(?im)^[ \t]*[a-z0-9_]+: fail\b`)
	anyVerdict = regexp.MustCompile(`(?im)^[ \t]*[a-z0-9_]+: (?:pass|fail|blocked)\b.*$`)
)

// verdicts shortens a report to the lines that say what came out.
func verdicts(report string) string {
	if found := anyVerdict.FindAllString(report, -1); found != nil {
		return oneLine(strings.Join(found, " "), 500)
	}
	return oneLine(report, 300)
}

// verdictLines are the lines of a report that say what came out, at least one.
func verdictLines(report string) []string {
	var out []string
	for _, found := range anyVerdict.FindAllString(report, -1) {
		out = append(out, oneLine(found, 300))
	}
	if len(out) == 0 {
		out = []string{verdicts(report)}
	}
	return out
}

// checks runs checks and reports whether one of them is red.
func (w *work) checks(types ...string) (report string, red bool) {
	if !w.tools["run_checks"] {
		w.remark("run_checks was not offered, so nothing was checked in this run.")
		return "", false
	}
	w.tell("Running checks.")
	result := w.need("run_checks", checksInput{Types: types})
	return result.Content, result.IsError || redVerdict.MatchString(result.Content)
}

// question asks a person and waits, unless the question was answered before.
func (w *work) question(ask askInput) string {
	answer, _ := w.answerTo(ask)
	return answer
}

// Where an answer comes from when no person gave it.
const (
	suggestedAuto = "suggested by the demo model, AUTO-APPROVED"
	suggestedOnly = "suggested by the demo model; nobody answered"
)

// answerTo is question, and says where the answer comes from, "" for a person.
func (w *work) answerTo(ask askInput) (answer, origin string) {
	if answer, delegated, ok := w.knownAnswer(ask.Question); ok {
		return answer, map[bool]string{true: suggestedAuto}[delegated]
	}
	if !w.tools["ask_human"] {
		w.remark("Nobody could be asked %q; the suggestion was taken.", ask.Question)
		return ask.Suggestion, suggestedOnly
	}
	w.tell("One question.")
	result := w.need("ask_human", ask)
	if answer := plainAnswer(result.Content); answer != "" && !result.IsError {
		plain, delegated := undelegated(answer)
		return plain, map[bool]string{true: suggestedAuto}[delegated]
	}
	w.remark("The question %q got no answer; the suggestion was taken.", ask.Question)
	return ask.Suggestion, suggestedOnly
}

// plainAnswer takes the answer out of a tool result, however it is wrapped.
func plainAnswer(content string) string {
	content = strings.TrimSpace(content)
	var wrapped struct {
		Answer string `json:"answer"`
	}
	if json.Unmarshal([]byte(content), &wrapped) == nil && wrapped.Answer != "" {
		return strings.TrimSpace(wrapped.Answer)
	}
	for _, mark := range []string{"A: ", "Answer: ", "answer: "} {
		if i := strings.Index("\n"+content, "\n"+mark); i >= 0 {
			return strings.TrimSpace(content[i+len(mark):])
		}
	}
	return content
}

func (w *work) decide(title, decision, reason string) {
	if w.tools["record_decision"] {
		w.post("record_decision", decisionInput{Title: oneLine(title, 180), Decision: oneLine(decision, 1500), Reason: reason})
	}
}

func (w *work) risk(title, detail, likelihood, impact string) {
	if w.tools["note_risk"] {
		w.post("note_risk", riskInput{Title: oneLine(title, 180), Detail: prefix(detail, 4000), Likelihood: likelihood, Impact: impact})
	}
}

// finish ends the run with an honest summary. A refusal leads to writing
// everything once more, a second one to a blocker, a third one to the end.
func (w *work) finish() {
	w.settleRemark()
	w.await() // the summary speaks of results, so all of them have to be there
	for range 2 {
		if result := w.need("finish_task", finishInput{Summary: w.summary()}); !result.IsError {
			return
		} else if len(w.problems) == 0 || !strings.Contains(w.problems[len(w.problems)-1], "not accepted") {
			w.problem("The end of the task was not accepted: %s", oneLine(result.Content, 300))
			w.rewrite()
		}
	}
	w.block("The task cannot be finished", strings.Join(w.problems, "\n"))
	w.need("finish_task", finishInput{Summary: w.summary()})
}

// rewrite puts every file of this run once more.
func (w *work) rewrite() {
	for _, path := range slices.Clone(w.wrote) {
		if content, ok := w.contents[path]; ok {
			w.forget(path)
			w.write(path, content)
		}
	}
}

// await ends the turn when calls of it have no answer yet.
func (w *work) await() {
	if len(w.pending) > 0 {
		panic(pause{})
	}
}

func (w *work) block(title, detail string) {
	if w.tools["raise_blocker"] {
		w.post("raise_blocker", blockerInput{Title: oneLine(title, 180), Detail: prefix(detail, 4000), Severity: "high"})
	}
}

// summary says what was done, what was not, and by whom.
func (w *work) summary() string {
	var b strings.Builder
	b.WriteString("Written by the " + Label + ".")
	switch n := len(w.wrote); {
	case n == 0:
		b.WriteString(" No file was written.")
	case n <= 12:
		b.WriteString(" Files: " + strings.Join(w.wrote, ", ") + ".")
	default:
		b.WriteString(" Files: " + strings.Join(w.wrote[:12], ", ") + ", and more.")
	}
	for _, remark := range w.remarks {
		b.WriteString(" " + remark)
	}
	if len(w.problems) > 0 {
		b.WriteString(" Not done: " + strings.Join(w.problems, "; ") + ".")
	}
	for _, words := range w.steered {
		b.WriteString(" Read, but not acted upon by templates: " + oneLine(words, 200))
	}
	return prefix(b.String(), 8000)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
