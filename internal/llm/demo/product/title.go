package product

import (
	"fmt"
	"regexp"
	"strings"
)

var calledRule = regexp.MustCompile(`(?i)\b(?:called|named|namens|appelée?|llamad[ao])\s+["“„«']?\s*([\p{L}\d][\p{L}\d&' -]{1,30})`)

var quotedRule = regexp.MustCompile(`["“„«]([^"”“»]{2,30})["”“»]`)

// heads are words for a kind of program that make a good end of a title.
var heads = set("tracker planner journal log manager organizer organiser catalogue catalog library diary list register ledger logbook archive collection")

// title names the application: the name the idea gives it, the idea itself when
// it is as short as a title, or its main entity.
func (r *reading) title(idea string, main Entity) string {
	if m := calledRule.FindStringSubmatch(idea); m != nil {
		name := strings.TrimSpace(m[1])
		if q := quotedRule.FindStringSubmatch(idea); q != nil && strings.HasPrefix(q[1], name) {
			name = q[1]
		} else {
			name = strings.Fields(name)[0]
		}
		return capital(clean(name))
	}
	if short := clean(idea); len(r.words) >= 2 && len(r.words) <= 5 && len([]rune(short)) <= 40 && latin(short) && !r.sentence() {
		return r.titleCase()
	}
	if r.about != "" && len([]rune(r.about)) <= 40 && latin(r.about) {
		short := *r
		short.words = words(r.about)
		return short.titleCase()
	}
	if r.lang == "en" && latin(main.Label) {
		for i, w := range r.words {
			if w.low == "book" && r.low(i-1) == "cash" {
				return "Cash Book"
			}
			if heads[w.low] && !strings.Contains(strings.ToLower(main.Label), w.low) {
				return titled(main.Label) + " " + capital(w.low)
			}
			if w.low == "track" || w.low == "tracking" {
				return titled(main.Label) + " Tracker"
			}
			if w.low == "plan" || w.low == "planning" {
				return titled(main.Label) + " Planner"
			}
		}
	}
	if r.lang == "en" {
		return titled(main.LabelPlural)
	}
	return main.LabelPlural
}

func titled(s string) string {
	parts := strings.Fields(s)
	for i := range parts {
		parts[i] = capital(parts[i])
	}
	return strings.Join(parts, " ")
}

// sentence reports whether the idea is a wish rather than a name.
func (r *reading) sentence() bool {
	for i, w := range r.words {
		if i > 0 && w.start || i == 0 && orders[w.low] {
			return true
		}
		switch w.low {
		case "i", "i'd", "we", "want", "need", "ich", "wir", "je", "nous", "quiero", "necesito", "make", "build", "create", "track", "manage", "when", "who", "that":
			return true
		}
	}
	return false
}

// orders begin a sentence that says what to do.
var orders = set("mark lend log store remember save collect organize organise plan record add help let keep see find show")

func (r *reading) titleCase() string {
	var parts []string
	for i, w := range r.words {
		if i == 0 && (w.low == "a" || w.low == "an" || w.low == "the") {
			continue
		}
		text := strings.Trim(w.text, "-'’")
		if len(parts) == 0 || (r.lang == "en" && !stopwords[0][w.low]) {
			text = capital(text)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

var audienceWords = set("for für pour para")

// persona is who the stories speak for: the audience the idea names, or whoever
// usually keeps such things.
func (r *reading) persona(concepts []concept) string {
	for i, w := range r.words {
		if !audienceWords[w.low] || r.lang != "en" {
			continue
		}
		for j := i + 1; j <= i+3 && j < len(r.words) && r.words[j].sentence == w.sentence; j++ {
			one, isPlural := singular(r.words[j].text, r.lang)
			nouns := lex().nouns[r.low(j)]
			if r.content(j) && isPlural && person(one, nouns) && latin(one) && (j == i+1 || !determiners[r.low(i+1)]) {
				return strings.ToLower(one)
			}
			if r.stop(j) {
				break
			}
		}
	}
	if c := concepts[0]; c.key != "" {
		return lex().Things[c.key].Who
	}
	return "user"
}

// people are audiences whose name does not end like one.
var people = set("kid child family friend team parent colleague nurse chef landlord couple flatmate roommate housemate neighbour neighbor student member volunteer guest coach scout club school company startup nonprofit artist musician pupil athlete cyclist guide guardian nomad expat vet")

// person reports whether a noun names somebody: freelancers, not candles.
func person(one string, nouns []noun) bool {
	low := strings.ToLower(one)
	if people[low] {
		return true
	}
	return len(nouns) == 0 && len(low) > 4 && hasSuffix(low, "er", "or", "ist", "ian", "ant", "ee", "mate", "man", "woman", "tic") && !hasSuffix(low, "paper", "letter", "order", "number", "computer", "printer")
}

// reservedApps cannot be the last part of a module path everywhere.
var reservedApps = set("internal vendor testdata example con prn aux nul com1 com2 com3 lpt1 lpt2 lpt3 app cmd api web store domain std main go")

func appSlug(title, plural string) string {
	s := slug(title, "-", 40)
	if s == "" {
		s = plural
	}
	if reservedApps[s] {
		s += "-keeper"
	}
	return s
}

// tagline is the first sentence of the idea, or a plain one when the idea is no
// more than a name.
func tagline(idea string, m Model) string {
	first, _, _ := strings.Cut(strings.NewReplacer("!", ".", "?", ".", "\n", ".").Replace(strings.TrimSpace(idea)), ".")
	first = clean(first)
	if len(strings.Fields(first)) < 6 {
		var many []string
		for _, e := range m.Entities {
			many = append(many, Within(e.LabelPlural, m.Lang))
		}
		return fmt.Sprintf(locale(m.Lang)["tagline"], localList(many, m.Lang))
	}
	return capital(cut(first, 140)) + map[bool]string{true: "", false: "."}[len([]rune(first)) > 140]
}

func localList(items []string, lang string) string {
	and := []string{" and ", " und ", " et ", " y "}[langIndex(lang)]
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:len(items)-1], ", ") + and + items[len(items)-1]
}
