package product

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// span is the words from start to end, without the last.
type span struct{ start, end int }

// item is one noun of a list behind a colon.
type item struct {
	span
	unit  string // of "in kg"
	field bool   // one value of the thing before the colon
}

// registers are words for that in which records are kept: the noun before them is
// what the records are of.
var registers = set("register registry ledger log logbook book list tracker diary journal catalogue catalog database archive roster collection")

// describing words before a register say nothing of what is in it.
var describing = set("daily weekly monthly yearly annual personal private public shared digital electronic smart online simple family club team office school company household central local own old little web mobile address reading phone guest shopping to-do todo wish watch check price waiting mailing packing")

// germanRegisters end a German word for that in which records are kept.
var germanRegisters = []string{"verwaltung", "verzeichnis", "register", "tagebuch", "logbuch", "buch", "liste", "kartei", "datenbank", "tracker", "planer", "katalog", "sammlung", "archiv", "protokoll", "kalender", "verleih"}

// splitHyphens takes apart what is written with a hyphen and known only by its
// halves: ghost-sightings.
func (r *reading) splitHyphens() {
	var all []word
	for _, w := range r.words {
		left, right, ok := strings.Cut(w.text, "-")
		known := len(lex().nouns[w.low]) > 0 || lex().domains[w.low] != nil || lex().fields[langIndex(r.lang)][w.low] != ""
		if !ok || known || r.lang != "en" || len(lex().nouns[strings.ToLower(right)]) == 0 || left == "" || verbOf(strings.ToLower(left)) != "" {
			all = append(all, w)
			continue
		}
		first, second := w, w
		first.text, first.low, first.comma, first.colon = left, strings.ToLower(left), false, false
		second.text, second.low, second.start = right, strings.ToLower(right), false
		all = append(all, first, second)
	}
	r.words = all
}

// markRegister finds what the first register of the idea is of, the noun before it,
// and sets aside the single things for which it is kept: a ghost sightings register
// for our castle.
func (r *reading) markRegister() {
	for i := range r.words {
		if r.words[i].sentence > 1 && !r.words[i].start || r.words[i].sentence > 2 {
			return
		}
		if n, start := r.registerAt(i); n {
			if start < i {
				r.kept = append(r.kept, span{start, i})
			}
			r.holder[i] = true
			r.setAside(i + 1)
			return
		}
	}
}

// registerAt reports whether the word at i is a register with a noun before it, and
// where that noun starts; a German one holds its noun in itself.
func (r *reading) registerAt(i int) (ok bool, start int) {
	if r.lang == "de" {
		_, container := germanRegister(r.words[i])
		return container, i
	}
	if r.lang != "en" || !registers[r.low(i)] || i == 0 || r.words[i].start || r.words[i-1].comma || lex().domains[r.phrase(i-1, 2)] != nil || len(lex().nouns[r.phrase(i-1, 2)]) > 0 {
		return false, i
	}
	start = i
	for start > 0 && start > i-3 && r.content(start-1) && !manage[r.low(start-1)] && !describing[r.low(start-1)] && !r.words[start].start && !r.words[start-1].comma && r.words[start-1].sentence == r.words[i].sentence {
		start--
	}
	if start < i && strings.HasSuffix(r.low(i-1), "ing") && len(lex().nouns[r.low(i-1)]) == 0 {
		return false, i // a brewing log is about brews, which the rest may name
	}
	return start < i, start
}

// keptAt returns the noun before a register when it begins at i.
func (r *reading) keptAt(i int) (concept, int) {
	at := slices.IndexFunc(r.kept, func(s span) bool { return s.start == i })
	if at < 0 {
		return concept{}, 0
	}
	s := r.kept[at]
	for start := s.start; start < s.end; start++ {
		if c, width, _ := r.thingAt(start); start+width == s.end && width > 0 {
			return c, s.end - s.start
		}
	}
	return r.unknown(s.start, s.end), s.end - s.start
}

// id tells concepts apart.
func id(c concept) string {
	if c.key != "" {
		return c.key
	}
	return strings.ToLower(c.many)
}

// setAside passes over "for our old castle hotel": whoever or wherever the register
// is for is not in it, unless it is several things.
func (r *reading) setAside(i int) {
	if !audienceWords[r.low(i)] || i >= len(r.words) || r.words[i].start {
		return
	}
	end, several := i+1, false
	for end < len(r.words) && !r.words[end].start && !with[r.low(end)] && !relative[r.low(end)] && (determiners[r.low(end)] || !r.stop(end)) {
		for _, n := range lex().nouns[r.low(end)] {
			several = several || n.plural && n.name.one != n.name.many && !persons[n.key]
		}
		if _, plural := germanSingular(r.words[end].text); plural && r.lang == "de" && isUpper(r.words[end].text) {
			several = true
		}
		end++
		if r.words[end-1].comma {
			break
		}
	}
	for j := i + 1; j < end && !several; j++ {
		r.holder[j] = true
	}
}

// germanRegister takes a word such as Kassenbuch or Bücherliste apart: what is kept
// in it, "" when the lexicon does not know.
func germanRegister(w word) (c concept, ok bool) {
	if lex().domains[w.low] != nil || len(lex().nouns[w.low]) > 0 {
		return concept{}, false
	}
	for _, end := range germanRegisters {
		first, found := strings.CutSuffix(w.low, end)
		if !found || len(first) < 3 {
			continue
		}
		for _, form := range []string{first, strings.TrimSuffix(first, "s"), strings.TrimSuffix(first, "n"), first + "e", strings.TrimSuffix(first, "en")} {
			for _, n := range lex().nouns[form] {
				if n.name.lang == "de" {
					return concept{key: n.key, one: n.name.one, many: n.name.many}, true
				}
			}
		}
		return concept{}, true
	}
	return concept{}, false
}

// units end a value that is measured: honey in kg.
var units = set("kg g mg t km m cm mm miles ml cl l litres liters grams grammes kilos tonnes hours minutes seconds days euro euros eur usd chf gbp pounds dollars percent °c celsius fahrenheit stunden minuten tagen hertz watt kwh bar ppm")

var moneyUnits = set("euro euros eur usd chf gbp pounds dollars")

// measured reads "honey harvest in kg".
func (r *reading) measured(i int) (spec, int) {
	end := i
	for end < min(i+3, len(r.words)) && r.content(end) && !manage[r.low(end)] && (end == i || !r.words[end-1].comma && !r.words[end].start) {
		end++
	}
	if end == i || r.low(end) != "in" || !units[r.low(end+1)] || r.words[end-1].comma || i > 0 && r.content(i-1) && !r.words[i-1].comma && !r.words[i].start && !manage[r.low(i-1)] {
		return spec{}, 0
	}
	if nouns := lex().nouns[r.low(end-1)]; len(nouns) > 0 && nouns[0].plural && nouns[0].name.one != nouns[0].name.many {
		return spec{}, 0
	}
	unit := r.words[end+1].text
	if moneyUnits[r.low(end+1)] {
		return r.typed(r.text(i, end), "money"), end + 2 - i
	}
	return r.typed(r.text(i, end)+" ("+unit+")", "number"), end + 2 - i
}

// itemStops are words that make more of an item than a noun.
var itemStops = set("i we you they he she it that which who when where how if whether to is are was be want need can will ich wir sie die man wenn wann wo")

// markListed reads the list of nouns behind the first colon: Cash book: income,
// expenses, receipts. Several of a kind are things of their own, one is a value of
// what stands before the colon, if that is a thing.
func (r *reading) markListed() {
	at := r.colon()
	if at < 0 || at > 9 || len(r.words) > longIdea {
		return
	}
	var items []item
	sentence := r.words[at].sentence + 1
	for i := at + 1; i < len(r.words) && r.words[i].sentence == sentence; {
		if and := r.low(i); and == "and" || and == "und" || and == "et" || and == "y" || determiners[and] {
			i++
			continue
		}
		end, fine := i, true
		for end < len(r.words) && r.words[end].sentence == sentence {
			w := r.low(end)
			if end > i && (w == "and" || w == "und" || w == "et" || w == "y") {
				break
			}
			fine = fine && !itemStops[w] && !manage[w]
			end++
			if r.words[end-1].comma {
				break
			}
		}
		if !fine || end-i > 5 {
			break
		}
		items = append(items, item{span: span{i, end}})
		i = end
	}
	if len(items) < 2 {
		return
	}
	main := r.mainBefore(at)
	for k := range items {
		it := &items[k]
		if it.end-it.start > 2 && r.low(it.end-2) == "in" && units[r.low(it.end-1)] {
			it.unit, it.field = r.low(it.end-1), true
		}
		_, isPlural := r.oneOf(it.span)
		known := lex().fields[langIndex(r.lang)][r.phrase(it.start, it.end-it.start)] != ""
		it.field = it.field || main && (!isPlural || known)
	}
	r.listed = items
	if at < 5 && !r.managing(at+1) {
		r.about = strings.TrimSpace(r.text(0, at+1))
	}
}

// colon returns the first word with a colon behind it, or -1.
func (r *reading) colon() int {
	return slices.IndexFunc(r.words, func(w word) bool { return w.colon })
}

// managing reports whether a verb that asks for something is among the first words.
func (r *reading) managing(n int) bool {
	for i := range r.words[:n] {
		if r.low(i) != "of" && (orders[r.low(i)] || itemStops[r.low(i)] || i == 0 && manage[r.low(i)] && !registers[r.low(i)]) {
			return true
		}
	}
	return false
}

// mainBefore reports whether a thing is named before the colon at, and not only
// that in which things are kept.
func (r *reading) mainBefore(at int) bool {
	for i := 0; i <= at; i++ {
		if r.holder[i] {
			if c, ok := germanRegister(r.words[i]); ok && c.key != "" {
				return true
			}
			continue
		}
		if strings.HasSuffix(r.low(i), "book") || strings.HasSuffix(r.low(i), "buch") {
			continue
		}
		if r.content(i) && !manage[r.low(i)] && !describing[r.low(i)] && r.low(i) != "petty" && r.low(i) != "cash" {
			return true
		}
	}
	return false
}

// oneOf returns the singular of the noun in s, and whether it stood in the plural.
func (r *reading) oneOf(s span) (one string, isPlural bool) {
	text := r.text(s.start, s.end)
	for _, form := range []string{strings.ToLower(text), r.low(s.end - 1)} {
		for _, n := range lex().nouns[form] {
			if n.name.lang == r.lang {
				return n.name.one, n.plural
			}
		}
	}
	if r.lang == "en" && unchanged[r.low(s.end-1)] && (r.low(s.end-1) == "fish" || r.low(s.end-1) == "sheep") {
		return text, true
	}
	if r.lang == "de" {
		return germanSingular(text)
	}
	return singular(text, r.lang)
}

// germanSingular undoes the commonest German plurals; ok says that the word may
// well be one.
func germanSingular(many string) (one string, ok bool) {
	low := strings.ToLower(many)
	switch {
	case len(low) < 5, hasSuffix(low, "wagen", "zeichen", "essen", "leben", "garten", "namen"):
		return many, false
	case hasSuffix(low, "ungen", "heiten", "keiten", "schaften", "ionen", "täten", "fahrten", "arbeiten", "zeiten", "frauen", "taten", "listen", "karten"):
		if hasSuffix(low, "listen", "karten") {
			return many[:len(many)-1], true
		}
		return many[:len(many)-2], true
	case hasSuffix(low, "en", "eln", "ern"):
		return many[:len(many)-1], true
	case hasSuffix(low, "ßen"):
		return many[:len(many)-1], true
	case strings.HasSuffix(low, "räte"):
		return many[:len(many)-1], true // Geräte
	case hasSuffix(low, "größe", "käse", "höhe", "nähe", "küche"):
		return many, false
	case strings.HasSuffix(low, "e") && len(low) > 5:
		return plainVowels.Replace(many[:len(many)-1]), true
	case hasSuffix(low, "mängel", "vögel", "äpfel", "nägel"):
		return plainVowels.Replace(many), true
	}
	return many, false
}

var plainVowels = strings.NewReplacer("ä", "a", "ö", "o", "ü", "u")

// listedConcepts are the things of the list behind the colon that the lexicon does
// not know, and those it knows only as a field.
func (r *reading) listedConcepts(add func(id string, c concept, points int, strong bool)) {
	for _, it := range r.listed {
		if it.field {
			continue
		}
		if c, width, _ := r.thingAt(it.end - 1); width > 0 && (c.key != "" || r.lang != "en") && it.end-it.start == 1 {
			c.listed = true
			add(c.key, c, 3, true)
			continue
		}
		text := r.text(it.start, it.end)
		one, isPlural := r.oneOf(it.span)
		if !isPlural || r.lang == "en" && !strings.EqualFold(one, text) && len(lex().nouns[strings.ToLower(text)]) == 0 {
			one, _ = singular(text, r.lang)
		}
		if r.lang == "de" && isUpper(text) {
			one = capital(one)
		}
		c := concept{one: one, many: text, at: it.end - 1, listed: true}
		add(id(c), c, 3, true)
	}
}

func isUpper(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsUpper(r)
}

// inList returns the place of a position in the list behind the colon, or -1.
func (r *reading) inList(at int) int {
	return slices.IndexFunc(r.listed, func(it item) bool { return at >= it.start && at < it.end })
}
