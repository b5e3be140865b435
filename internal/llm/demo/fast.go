package demo

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// fast carries out a small change of text or style. Code is never touched: such
// a request needs an ordinary change.
func fast(w *work) {
	pages := slices.ContainsFunc(w.files, func(name string) bool { return path.Ext(name) == ".css" })
	if w.role == "backend-developer" && pages {
		w.remark("This change is one of text or style; the frontend developer makes it.")
		w.finish()
		return
	}
	if !w.smallChange(w.idea) {
		answer := w.question(askInput{
			Question:   "I understand colours, dark backgrounds, text sizes, and: replace \"this\" with \"that\". What should be changed?",
			Suggestion: "Leave it as it is.", Blocking: true,
		})
		if !w.smallChange(answer) {
			w.problem("the templates did not understand %q", oneLine(w.idea, 120))
			w.risk("The request was not carried out", "The templates understood neither the request nor the answer about it.", "high", "low")
		}
	}
	if len(w.wrote) > 0 {
		w.checkCode(nil, "build_output")
	}
	w.finish()
}

const quoteMarks = `"“”„«»'‘’` + "`"

var (
	exchange = regexp.MustCompile(`(?is)(?:replace|change|rename|turn|fix|correct)\b[^` + quoteMarks + `]*[` + quoteMarks + `]([^` + quoteMarks + `]{1,200})[` + quoteMarks + `][^` + quoteMarks + `]*?\b(?:with|to|by|into|as|should (?:be|read|say)|instead)\b[^` + quoteMarks + `]*[` + quoteMarks + `]([^` + quoteMarks + `]{0,200})[` + quoteMarks + `]`)
	arrow    = regexp.MustCompile(`[` + quoteMarks + `]([^` + quoteMarks + `]{1,200})[` + quoteMarks + `]\s*(?:->|→|=>)\s*[` + quoteMarks + `]([^` + quoteMarks + `]{0,200})[` + quoteMarks + `]`)
	typo     = regexp.MustCompile(`(?i)\b(?:typo|misspelling|spelling|mistake)\b[^` + quoteMarks + `]*[` + quoteMarks + `]([^` + quoteMarks + `]{1,80})[` + quoteMarks + `]`)
)

// smallChange does what it understands of a request.
func (w *work) smallChange(request string) bool {
	old, replacement := "", ""
	if found := exchange.FindStringSubmatch(request); found != nil {
		old, replacement = found[1], found[2]
	} else if found := arrow.FindStringSubmatch(request); found != nil {
		old, replacement = found[1], found[2]
	} else if found := typo.FindStringSubmatch(request); found != nil {
		old = found[1]
		replacement = w.question(askInput{Question: fmt.Sprintf("What should %q read instead?", old), Suggestion: old, Blocking: true})
	}
	if old != "" && old != replacement {
		return w.replaceText(old, replacement)
	}
	if css, words := styleWishes(request); css != "" {
		if w.addStyle(css, request) {
			w.remark("Done: %s.", words)
			return true
		}
	}
	return false
}

// plainText reports whether a file may be changed on the fast track.
func plainText(name string) bool {
	switch path.Ext(name) {
	case ".css", ".md", ".html", ".htm", ".txt", ".tmpl":
		return !strings.HasPrefix(name, ".layercake/")
	}
	return false
}

// replaceText exchanges words wherever they stand in text files.
func (w *work) replaceText(old, replacement string) bool {
	w.tell("Looking for %q.", oneLine(old, 60))
	hits := w.search(searchInput{Query: old})[0]
	var candidates, code []string
	for _, name := range w.files {
		switch {
		case !strings.Contains(hits, name):
		case plainText(name):
			candidates = append(candidates, name)
		case path.Ext(name) == ".go":
			code = append(code, name)
		}
	}
	texts := w.readAll(candidates)
	changed := false
	for _, name := range candidates {
		text, ok := texts[name]
		if !ok {
			continue
		}
		for n := strings.Count(text, old); n > 0; n-- {
			passage := around(text, old)
			after := strings.Replace(passage, old, replacement, 1)
			changed = w.edit(name, passage, after) || changed
			text = strings.Replace(text, passage, after, 1)
			if strings.Contains(replacement, old) {
				break // the words would be found in their own replacement
			}
		}
	}
	if len(code) > 0 {
		w.remark("%q also stands in code (%s), which a change of text does not touch; ask for an ordinary change.", oneLine(old, 60), strings.Join(code, ", "))
	}
	return changed
}

// around is the shortest run of lines with old in it that occurs only once.
func around(text, old string) string {
	at := strings.Index(text, old)
	from, to := at, at+len(old)
	for strings.Count(text, text[from:to]) > 1 && (from > 0 || to < len(text)) {
		from = strings.LastIndexByte(text[:max(from-1, 0)], '\n') + 1
		if next := strings.IndexByte(text[min(to+1, len(text)):], '\n'); next >= 0 {
			to = min(to+1, len(text)) + next
		} else {
			to = len(text)
		}
	}
	return text[from:to]
}

// addStyle appends rules to the stylesheet.
func (w *work) addStyle(css, why string) bool {
	for _, name := range w.files {
		if path.Ext(name) != ".css" {
			continue
		}
		text, ok := w.read(name)
		if !ok || strings.Contains(text, css) {
			continue
		}
		w.tell("Adding the style to %s.", name)
		last := lastLines(text)
		rule := "\n/* " + strings.ReplaceAll(oneLine(why, 80), "*/", "") + " */\n" + css
		if last == "" {
			return w.write(name, strings.TrimPrefix(rule, "\n"))
		}
		return w.edit(name, last, last+rule)
	}
	return false
}

// lastLines is the end of a text that occurs only once.
func lastLines(text string) string {
	from := len(text)
	for from > 0 && (text[from:] == "" || strings.Count(text, text[from:]) > 1) {
		from = strings.LastIndexByte(text[:from-1], '\n') + 1
	}
	return text[from:]
}
