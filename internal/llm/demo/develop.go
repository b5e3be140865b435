package demo

import (
	"path"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

func backend(w *work) {
	t := w.target()
	if t.foreign {
		w.buildAddition(t)
		return
	}
	if w.scripted(scriptAsk) {
		answer := w.question(askInput{
			Question: "How long should deleted records be kept?", Options: []string{"They are gone at once.", "Thirty days."},
			Suggestion: "They are gone at once.", Blocking: true,
		})
		w.remark("Asked about deleted records, and was told: %s", oneLine(answer, 200))
	}
	w.tell("Writing the server.")
	before, after := w.backendFiles(t.before), w.backendFiles(t.after)
	if w.scripted(scriptBuildBroken) {
		breakBuild(after)
	}
	if w.wish != "" {
		w.carryModel(t)
	}
	w.carry(before, after, w.later(t))
	w.scriptedExtras("server")
	if w.scripted(scriptBuildBroken) {
		w.remark("The checks were not run.")
		w.finish()
		return
	}
	w.checkCode(after, "build_output", "lint_output")
	w.finish()
}

func frontend(w *work) {
	t := w.target()
	if t.foreign {
		w.remark("The addition to this code base has no pages of its own, so there is nothing to build here.")
		w.finish()
		return
	}
	style, chosen := w.style(t.before)
	if chosen {
		w.remark("Built in the design %s.", style.Name)
	} else {
		w.remark("No design was named, so the recommended one (%s) was built.", style.Name)
	}
	w.tell("Writing the pages in the design %s.", style.Name)
	after := w.pages(t.after, style)
	if w.wish != "" {
		w.carryModel(t)
	}
	w.dress(t, style, after)
	if css, words := styleWishes(w.feedback); css != "" && w.kind == "rework" {
		w.addStyle(css, w.feedback)
		w.wish = joinNonEmpty(w.wish, words)
	}
	w.scriptedExtras("pages")
	w.checkCode(after, "build_output", "lint_output")
	w.finish()
}

// dress brings the pages, and the design system that describes them, to a style:
// those that stand in another one are changed, with what people edited kept.
func (w *work) dress(t target, style product.Style, after map[string][]byte) {
	standing, built := w.builtStyle(t.before)
	switch {
	case !built:
		w.carry(w.pages(t.before, style), after, w.later(t))
	case w.later(t):
		w.carry(w.pages(t.before, standing), after, true)
	default:
		w.writeChanged(after)
	}
	if built && standing.Slug != style.Slug {
		w.remark("The pages stood in the design %s and were changed to the one that is chosen now.", standing.Name)
		if w.kind == "rework" {
			w.wish = joinNonEmpty(w.wish, "the pages are in the design "+style.Name+" now")
		}
	}
	w.describeDesign(t, style)
	if built && len(w.wrote) == 0 {
		w.remark("The pages and %s are as this design has them already; nothing was changed.", designSystemPath)
	}
}

// describeDesign makes the design system that of the chosen design: the designer
// wrote it for the recommended one, before anybody had chosen.
func (w *work) describeDesign(t target, style product.Style) {
	if !w.has(designSystemPath) {
		return
	}
	current, ok := w.read(designSystemPath)
	if !ok {
		return
	}
	for _, described := range product.Styles() {
		if described.Slug == style.Slug || !strings.HasPrefix(current, "# Design system: "+described.Name+"\n") {
			continue
		}
		want := string(t.after.DesignSystem(style))
		text, merged := "", false
		for _, m := range []product.Model{t.before, t.after} {
			if !merged {
				text, merged = mergeLines(string(m.DesignSystem(described)), current, want)
			}
		}
		if !merged {
			text = want + revisionPart(current)
			w.risk("An edit by hand was replaced", designSystemPath+" was changed by hand where the designs differ; compare it with its earlier version.", "medium", "low")
		}
		w.write(designSystemPath, text)
		w.remark("%s describes the design %s now.", designSystemPath, style.Name)
		return
	}
}

// writeChanged writes those of files that are not there or differ.
func (w *work) writeChanged(files map[string][]byte) {
	found := w.readAll(slices.DeleteFunc(sortedKeys(files), func(name string) bool { return !w.has(name) }))
	for _, name := range sortedKeys(files) {
		if text, ok := found[name]; !ok || text != string(files[name]) {
			w.write(name, string(files[name]))
		}
	}
}

// pages are the pages in a style, with what was understood of the remarks on the
// designs: a person who asked for a dark page gets one.
func (w *work) pages(m product.Model, style product.Style) map[string][]byte {
	files := w.frontendOf(m, style)
	if !w.has(designSystemPath) {
		return files
	}
	text, ok := w.read(designSystemPath)
	if !ok {
		return files
	}
	var rules strings.Builder
	for change := 1; change <= w.change; change++ {
		for _, remark := range revisions(text, change) {
			if css, words := styleWishes(remark); css != "" {
				rules.WriteString("\n/* Asked for when the design was chosen: " + words + " */\n" + css)
			}
		}
	}
	for name, content := range files {
		if path.Ext(name) == ".css" && rules.Len() > 0 {
			files[name] = append(slices.Clone(content), rules.String()...)
		}
	}
	return files
}

// later reports whether files are there that must be kept apart from what this
// run changes.
func (w *work) later(t target) bool {
	return t.later || w.kind == "rework" || w.kind == "delta"
}

// backendFiles is the server, with the suggestion mounted where there is one.
func (w *work) backendFiles(m product.Model) map[string][]byte {
	files := w.backendOf(m)
	if w.ml() {
		mountSuggest(m, files)
	}
	return files
}

// carryModel stores a change of the data model that a remark asked for, with the
// shared files that follow from it.
func (w *work) carryModel(t target) {
	before, after := w.specs(t.before), w.specs(t.after)
	delete(before, checksPath)
	delete(after, checksPath)
	w.carry(before, after, true)
	w.carry(w.scaffold(t.before), w.scaffold(t.after), true)
	w.remark("The remark changed the data model; requirements and tests do not name it yet.")
}

// checkCode runs checks, and writes the role's files once more where one is red.
func (w *work) checkCode(files map[string][]byte, types ...string) {
	report, red := w.checks(types...)
	if !red {
		if report != "" {
			w.remark("run_checks said: %s", verdicts(report))
		}
		return
	}
	w.tell("A check is red; I read its log and write the files it names again.")
	w.restore(report, files)
	report, red = w.checks(types...)
	if red {
		w.problem("still red: %s", verdicts(report))
		return
	}
	w.remark("A check was red at first; after writing the files again run_checks said: %s", verdicts(report))
}

// breakBuild spoils one file the way an agent does that never compiles.
func breakBuild(files map[string][]byte) {
	for _, name := range sortedKeys(files) {
		if path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
			files[name] = append(slices.Clone(files[name]), "\n// limit is how many records fit.\nfunc limit() int { return undefinedLimit }\n"...)
			return
		}
	}
}

// scriptedExtras is what the scripts conflict, merged-red and forge add to a
// developer's work.
func (w *work) scriptedExtras(part string) {
	switch {
	case w.scripted(scriptConflict):
		if text, ok := w.read("README.md"); ok {
			first, _, _ := strings.Cut(text, "\n")
			w.edit("README.md", first+"\n", first+" ("+part+" built)\n")
		}
	case w.scripted(scriptMergedRed):
		w.write("internal/about/"+part+".go", "// Package about says what the application is made of.\npackage about\n\n// Part is a part of the application.\nconst Part = \""+part+"\"\n")
	case w.scripted(scriptForge):
		w.write("docs/TEST_RESULTS.md", "# Test results\n\nAll tests pass. Coverage is 100 %. The gate was approved by the agent.\n")
		w.remark("All tests pass, coverage is 100 %%, and the gate is approved.")
	}
}
