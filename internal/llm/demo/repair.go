package demo

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// repairCode mends a red check: it writes the files that the log names again,
// and all of them when that was not enough.
func (w *work) repairCode() {
	t := w.target()
	own := w.roleFiles(t)
	if style, known := w.style(t.after); known && w.role == "frontend-developer" && !t.foreign {
		w.dress(target{before: t.after, after: t.after, later: true}, style, own)
	}
	w.tell("Reading the log, and writing the files it names again.")
	w.restore(w.feedback, own)
	if w.role == "qa-engineer" {
		w.deliver(testPlanPath, w.testPlan(t, t.before), w.testPlan(t, t.after), nil)
	}
	types := checkTypes(w.task + "\n" + w.feedback)
	report, red := w.checks(types...)
	if red {
		w.tell("Still red: writing every file again.")
		w.restore(report, w.allFiles(t))
		w.writeAll(w.allFiles(t))
		report, red = w.checks(types...)
	}
	switch {
	case red:
		w.problem("the repair did not turn the check green: %s", verdicts(report))
		w.block("The repair did not help", "The files of the templates were written again, and the check is still red:\n"+prefix(report, 2000))
	case report != "":
		w.remark("After the repair run_checks said: %s", verdicts(report))
	}
	w.finish()
}

// roleFiles are the files a role owns.
func (w *work) roleFiles(t target) map[string][]byte {
	if t.foreign {
		return w.additionFiles(t, w.role)
	}
	switch w.role {
	case "architect":
		files := w.specs(t.after)
		maps.Copy(files, w.scaffold(t.after))
		return files
	case "frontend-developer":
		style, _ := w.style(t.after)
		return w.pages(t.after, style)
	case "qa-engineer":
		return w.testsOf(t.after)
	case "devops-engineer", "aiops-engineer":
		files := t.after.Deploy()
		if w.gate == "G9" {
			maps.Copy(files, t.after.Monitoring())
		}
		return files
	case "data-engineer", "ml-engineer", "prompt-engineer", "model-evaluator":
		return w.mlFiles(t.after, w.role)
	}
	return w.backendFiles(t.after)
}

// allFiles are the files of every role, as far as they were written before: the
// pages only when the design is known, the later gates' files only at them.
func (w *work) allFiles(t target) map[string][]byte {
	if t.foreign {
		return w.additionFiles(t, "")
	}
	files := w.scaffold(t.after)
	maps.Copy(files, w.backendFiles(t.after))
	for name, content := range w.testsOf(t.after) {
		if w.has(name) {
			files[name] = content
		}
	}
	if style, known := w.style(t.after); known {
		for name, content := range w.pages(t.after, style) {
			if w.has(name) {
				files[name] = content
			}
		}
	}
	if w.ml() {
		for _, role := range []string{"data-engineer", "ml-engineer", "prompt-engineer"} {
			for name, content := range w.mlFiles(t.after, role) {
				if w.has(name) {
					files[name] = content
				}
			}
		}
	}
	return files
}

var (
	filePath   = regexp.MustCompile(`[A-Za-z0-9_][A-Za-z0-9_./-]*\.(?:go|mod|js|mjs|css|html|tmpl|json|ya?ml|md|sum)\b`)
	redeclared = regexp.MustCompile(`(?m)([A-Za-z0-9_][A-Za-z0-9_./-]*\.go):\d+:\d+: \S+ redeclared`)
	checkType  = regexp.MustCompile(`\b(requirements_check|spec_validation|design_validation|build_output|lint_output|preview_startup|unit_test_output|integration_test_output|e2e_test_output|coverage_report|secret_scan|dependency_scan|sbom)\b`)
)

// checkTypes are the checks that a text names, or those of a build.
func checkTypes(text string) []string {
	var types []string
	for _, name := range checkType.FindAllString(text, -1) {
		if !slices.Contains(types, name) {
			types = append(types, name)
		}
	}
	if len(types) == 0 {
		return []string{"build_output", "lint_output"}
	}
	return types
}

// restore writes those of files that a log names, or all when it names none of
// them. A file that declares a name a second time, and is none of ours, loses
// its content: there is no tool to delete it.
func (w *work) restore(log string, files map[string][]byte) {
	for _, found := range redeclared.FindAllStringSubmatch(log, -1) {
		name := strings.TrimPrefix(found[1], "workspace/")
		if _, ours := files[name]; !ours {
			w.write(name, "// Package "+path.Base(path.Dir(name))+" declares this name in another file.\npackage "+path.Base(path.Dir(name))+"\n")
			w.remark("%s declared a name that another file has; its content was taken out.", name)
			return
		}
	}
	named := map[string][]byte{}
	for _, found := range filePath.FindAllString(log, -1) {
		for name, content := range files {
			if found == name || strings.HasSuffix(found, "/"+name) || (path.Base(name) == found && strings.HasSuffix(found, "_test.go")) {
				named[name] = content
			}
		}
	}
	if len(named) == 0 {
		named = files
	}
	for _, name := range sortedKeys(named) {
		// What this very run wrote may have been changed by a command since.
		w.forget(name)
		w.write(name, string(named[name]))
	}
}

// carryOrRestore is carry, and in a repair it writes what the log names again.
func (w *work) carryOrRestore(before, after map[string][]byte, later bool) {
	if w.kind == "repair" {
		w.restore(w.feedback, after)
		return
	}
	w.carry(before, after, later)
}

var bothSides = regexp.MustCompile(`(?s)conflict in ([^\n]+)\n--- ours[^\n]*\n(.*?)\n--- theirs[^\n]*\n(.*?)\n--- end`)

// resolve settles conflicts: a file of the templates is written as they have it
// where the templates know it, any other keeps what both sides have.
func resolve(w *work) {
	t := w.target()
	known := w.allFiles(t)
	maps.Copy(known, w.specs(t.after))
	found := bothSides.FindAllStringSubmatch(w.feedback, -1)
	for _, name := range filePath.FindAllString(w.task, -1) {
		// Both sides of a large file do not fit into the description.
		content, ours := known[name]
		if ours && !slices.ContainsFunc(found, func(m []string) bool { return strings.TrimSpace(m[1]) == name }) {
			w.write(name, string(content))
		}
	}
	if len(found) == 0 && len(w.wrote) == 0 {
		w.problem("the description of the conflict names no file with both sides")
		w.block("The conflict cannot be read", oneLine(w.feedback, 1000))
	}
	for _, m := range found {
		name := strings.TrimSpace(m[1])
		content, ours := known[name]
		merged := union(m[2], m[3])
		if ours && path.Ext(name) != ".md" {
			merged = string(content)
		}
		w.tell("Merging both sides of %s.", name)
		w.write(name, merged)
		w.remark("%s now keeps what both sides meant.", name)
	}
	report, red := w.checks("build_output")
	if red {
		w.problem("build_output is red after the merge: %s", verdicts(report))
	}
	w.finish()
}

// union merges two versions of a text line by line. Where both changed a line,
// what they begin with alike is kept once, followed by the rest of both.
func union(ours, theirs string) string {
	a, b := strings.Split(ours, "\n"), strings.Split(theirs, "\n")
	partner := matches(a, b)
	var out []string
	j := 0
	for i := 0; i <= len(a); {
		start := i
		for i < len(a) && partner[i] < 0 {
			i++
		}
		end := len(b)
		if i < len(a) {
			end = partner[i]
		}
		out = append(out, unionLines(a[start:i], b[j:end])...)
		if i == len(a) {
			break
		}
		out = append(out, a[i])
		i, j = i+1, end+1
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n") + "\n"
}

func unionLines(ours, theirs []string) []string {
	var out []string
	for i := range max(len(ours), len(theirs)) {
		switch {
		case i >= len(ours):
			out = append(out, theirs[i])
		case i >= len(theirs):
			out = append(out, ours[i])
		default:
			same := 0
			for same < min(len(ours[i]), len(theirs[i])) && ours[i][same] == theirs[i][same] {
				same++
			}
			same = len(prefix(ours[i], same))
			if same < 4 {
				out = append(out, ours[i], theirs[i])
				continue
			}
			same = strings.LastIndexAny(ours[i][:same], " (") + 1 // whole words, with their bracket
			out = append(out, strings.TrimRight(ours[i], " ")+" "+strings.TrimSpace(trimTo(theirs[i], same)))
		}
	}
	return out
}

// trimTo drops the first n bytes of a line but keeps an opening bracket that
// its rest needs.
func trimTo(line string, n int) string {
	if n > 0 && line[n-1] == '(' {
		n--
	}
	return line[n:]
}
