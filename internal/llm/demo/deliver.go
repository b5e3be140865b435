package demo

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

const revisionsPath = "docs/REVISIONS.md"

// deliver brings a document to its new state. before and after are what the
// template makes of the product before and after this run's change; what people
// wrote in between stays. extend adds the record of a later change, once.
func (w *work) deliver(name, before, after string, extend func(current string) string) {
	current, exists := "", false
	if w.has(name) {
		current, exists = w.read(name)
	}
	text := after
	switch {
	case !exists:
	case w.kind == "repair":
		if text = mend(current, after); text == current {
			text = after + revisionPart(current)
		}
	case w.kind == "build" && !w.keep && !strings.Contains(current, "## "+revisionHeading):
		// A first build that starts again after a crash finds its own file.
	default:
		merged, ok := mergeLines(before, current, after)
		if !ok || before == "" {
			merged = mend(current, after)
		}
		if extend != nil && w.kind == "build" && w.change > 1 && !strings.Contains(current, fmt.Sprintf("### Change %d\n", w.change)) {
			merged = extend(merged)
		}
		text = merged
	}
	if w.kind == "rework" && w.addressed(name) {
		text = w.revise(text)
	}
	if exists && text == current {
		w.unchanged = append(w.unchanged, name)
		return
	}
	w.write(name, text)
}

// revisionPart is the record of remarks in a document, with its heading.
func revisionPart(document string) string {
	if text := sectionText(document, revisionHeading); text != "" {
		return "\n## " + revisionHeading + "\n\n" + text + "\n"
	}
	return ""
}

var documentName = regexp.MustCompile(`[A-Z][A-Z_]+\.md|[a-z-]+\.ya?ml`)

// addressed reports whether the remark is about this document: it names it, or
// it names none and this is the first one of the run.
func (w *work) addressed(name string) bool {
	if strings.Contains(w.feedback, path.Base(name)) {
		return true
	}
	return !w.revisedOne && !documentName.MatchString(w.feedback)
}

var shorterWords = regexp.MustCompile(`(?i)\b(shorter|shorten|too long|more concise|brief(er)?|kürzer|plus court)\b`)

// revise answers the remark in one document.
func (w *work) revise(text string) string {
	w.revisedOne = true
	if isAnswered(text, w.feedback) {
		return text
	}
	done := w.wish
	if shorterWords.MatchString(w.feedback) {
		text, done = shorten(text), joinNonEmpty(done, "each section was cut to its first lines")
	}
	if from, to, ok := renaming(w.feedback); ok && w.wish == "" && strings.Contains(text, from) {
		text, done = strings.ReplaceAll(text, from, to), joinNonEmpty(done, fmt.Sprintf("%q became %q", from, to))
	}
	return addRevision(text, w.feedback, revisionAnswer(done), w.change)
}

func revisionAnswer(done string) string {
	if done == "" {
		return "The templates of the demo model understood nothing in this remark that they could carry out. It stands here for whoever goes on."
	}
	return "Done: " + done + "."
}

func joinNonEmpty(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "; ")
}

// settleRemark makes sure that a rework leaves a trace even where no document of
// the role took the remark up.
func (w *work) settleRemark() {
	if w.kind != "rework" || w.revisedOne || strings.TrimSpace(w.feedback) == "" {
		return
	}
	w.revisedOne = true
	text := "# Revisions\n\nRemarks on work that is not a document, and what became of them.\n"
	if w.has(revisionsPath) {
		if current, ok := w.read(revisionsPath); ok {
			text = current
		}
	}
	w.write(revisionsPath, addRevision(text, w.feedback, revisionAnswer(w.wish), w.change))
}

// carry brings code from one state to another: all files of a first build, and
// after that only those that differ, with what others changed in between kept.
func (w *work) carry(before, after map[string][]byte, later bool) {
	if !later {
		w.writeAll(after)
		return
	}
	var changed []string
	for _, name := range sortedKeys(after) {
		if string(before[name]) != string(after[name]) || !w.has(name) {
			changed = append(changed, name)
		}
	}
	found := w.readAll(changed)
	for _, name := range changed {
		current, exists := found[name]
		text := string(after[name])
		if exists {
			merged, ok := mergeLines(string(before[name]), current, text)
			rest, added := strings.CutPrefix(current, string(before[name]))
			switch {
			case ok:
				text = merged
			case added && len(before[name]) > 0:
				text += rest // somebody only added to it
			default:
				w.remark("%s had been edited by hand where the change falls; the template's version was taken.", name)
				w.risk("An edit by hand was replaced", name+" was changed by hand in lines that this change needs; compare it with its earlier version.", "medium", "low")
			}
		}
		if !exists || text != current {
			w.write(name, text)
		}
	}
}
