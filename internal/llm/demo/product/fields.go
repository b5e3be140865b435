package product

import (
	"slices"
	"strings"
	"unicode"
)

// spec is a field, and perhaps an action on it, that the words at at ask for.
type spec struct {
	at     int
	field  Field
	action *Action // Entity and Field are filled in later
}

// markFields finds every phrase that says what to record about something.
func (r *reading) markFields() {
	for i := 0; i < len(r.words); {
		if k := r.inList(i); r.holder[i] || k >= 0 && !r.listed[k].field || r.partOf(i) {
			i++
			continue
		}
		s, width := r.fieldAt(i)
		if width == 0 || r.used[i] {
			i++
			continue
		}
		s.at = i
		r.specs = append(r.specs, s)
		for j := i; j < min(i+width, len(r.words)); j++ {
			r.used[j] = true
		}
		i += width
	}
	for _, it := range r.listed {
		if nouns := lex().nouns[r.low(it.end-1)]; it.field && !slices.Contains(r.used[it.start:it.end], true) && (len(nouns) == 0 || nouns[0].name.weak && it.end-it.start > 1) {
			s := r.typed(r.text(it.start, it.end), "")
			s.at = it.start
			r.specs = append(r.specs, s)
			for j := it.start; j < it.end; j++ {
				r.used[j] = true
			}
		}
	}
	r.markLists()
}

// partOf reports whether the word at i is part of the noun before a register.
func (r *reading) partOf(i int) bool {
	return slices.ContainsFunc(r.kept, func(s span) bool { return i >= s.start && i < s.end })
}

func (r *reading) fieldAt(i int) (spec, int) {
	for _, rule := range []func(int) (spec, int){r.lastDone, r.markAs, r.measured, r.nameOf, r.howMuch, r.numberOf, r.whether, r.asking, r.compoundField, r.knownField} {
		if s, width := rule(i); width > 0 {
			return s, width
		}
	}
	return spec{}, 0
}

var between = set("i we you they he she it was were is are been have had has time got them each one the my our ich wir sie es habe haben wurde wurden hat mal")

// lastDone reads "when I last watered them", "zuletzt gegossen".
func (r *reading) lastDone(i int) (spec, int) {
	german := r.lang == "de" && (r.low(i) == "zuletzt" || (strings.HasPrefix(r.low(i), "letzte") && r.low(i+1) == "mal"))
	if r.low(i) != "last" && !german {
		return spec{}, 0
	}
	for j := i + 1; j <= i+6 && j < len(r.words) && r.words[j].sentence == r.words[i].sentence; j++ {
		w := r.low(j)
		switch {
		case german && len(w) > 4 && strings.HasPrefix(w, "ge") && hasSuffix(w, "t", "en"):
			return today("Zuletzt "+w, slug(w, "-", 24), "Heute "+w), j - i + 1
		case !german && !between[w] && !determiners[w] && (r.low(i-2) == "did" || r.low(i-3) == "did") && j == i+1:
			return today("Last "+past(w), slug(w, "-", 24), capital(w)), 2
		case !german && verbOf(w) != "":
			verb := verbOf(w)
			return today("Last "+w, slug(verb, "-", 24), capital(verb)), j - i + 1
		case german && !stopwords[1][w] && !between[w] && j > i+3, !german && !between[w] && !determiners[w]:
			// the thing itself may stand between: the last time my bike was oiled
			if j > i+4 {
				return spec{}, 0
			}
		}
	}
	return spec{}, 0
}

// past returns the past participle of a verb.
func past(verb string) string {
	for participle, base := range irregularVerbs {
		if base == verb && verbs[participle] {
			return participle
		}
	}
	switch {
	case strings.HasSuffix(verb, "e"):
		return verb + "d"
	case strings.HasSuffix(verb, "y") && len(verb) > 2 && !vowel(verb[len(verb)-2]):
		return verb[:len(verb)-1] + "ied"
	}
	return verb + "ed"
}

// verbs are the irregular participles that are the only one of their verb.
var verbs = set("fed paid read sent bought sold lent eaten met ridden seen taken given made cut won lost worn spoken swept done heard held kept left built caught taught written swum flown sung spent")

func today(label, verb, button string) spec {
	return spec{
		field:  Field{Name: slug(label, "_", 40), Label: label, Type: "date"},
		action: &Action{Verb: verb, Label: button, Effect: EffectToday},
	}
}

// markAs reads "mark an invoice as paid", "mark them done".
func (r *reading) markAs(i int) (spec, int) {
	if w := r.low(i); w != "mark" && w != "marking" && w != "tick" && w != "flag" {
		return spec{}, 0
	}
	last := -1
	for j := i + 1; j <= i+6 && j < len(r.words) && r.words[j].sentence == r.words[i].sentence; j++ {
		if r.low(j) == "as" && !r.stop(j+1) {
			last = j + 1
			break
		}
		if verbOf(r.low(j)) != "" {
			last = j
			break
		}
		if r.low(j) == "and" {
			break
		}
	}
	if last < 0 || last >= len(r.words) {
		return spec{}, 0
	}
	label := capital(cut(r.words[last].text, 24))
	s := yesNo(label)
	for j := i; j <= last; j++ {
		if j == i || j == last || r.low(j) == "as" {
			r.used[j] = true // what stands between may be an entity
		}
	}
	s.at = i
	r.specs = append(r.specs, s)
	return spec{}, 0
}

func yesNo(label string) spec {
	return spec{
		field:  Field{Name: slug(label, "_", 40), Label: label, Type: "bool"},
		action: &Action{Verb: slug("mark "+label, "-", 30), Label: "Mark " + Within(label, "en"), Effect: EffectSet, Value: "true"},
	}
}

// howMuch reads "how much it cost", "how many pages", "how often", "how long".
func (r *reading) howMuch(i int) (spec, int) {
	if r.low(i) == "wie" && r.low(i+1) == "viel" || r.low(i) == "wieviel" {
		return r.lexField("cost"), 2
	}
	if r.low(i) != "how" {
		return spec{}, 0
	}
	switch r.low(i + 1) {
	case "much":
		for j := i + 2; j < i+6; j++ {
			switch r.low(j) {
			case "weigh", "weighs", "weighed", "weight":
				return r.lexField("weight"), j - i + 1
			case "worth":
				return r.lexField("value"), j - i + 1
			case "earn", "earned", "paid", "pay", "owe", "owed", "spend", "spent", "donated", "gave":
				return r.lexField("amount"), j - i + 1
			}
		}
		return r.lexField("cost"), 2
	case "many":
		if r.content(i + 2) {
			return r.typed(r.words[i+2].text, "number"), 3
		}
		return r.lexField("quantity"), 2
	case "often":
		return r.lexField("frequency"), 2
	case "long":
		return r.lexField("duration"), 2
	case "far":
		return r.lexField("distance"), 2
	case "old":
		return r.typed("Age", "number"), 2
	case "big", "tall", "high":
		return r.lexField("height"), 2
	case "good", "well":
		return r.lexField("rating"), 2
	}
	return spec{}, 0
}

// numberOf reads "number of nights".
func (r *reading) numberOf(i int) (spec, int) {
	if (r.low(i) != "number" && r.low(i) != "anzahl" && r.low(i) != "nombre") || !belongs[r.low(i+1)] && r.low(i+1) != "de" && r.low(i+1) != "der" || !r.content(i+2) {
		return spec{}, 0
	}
	return r.typed(r.words[i+2].text, "number"), 3
}

// nameOf reads "the name of the witness".
func (r *reading) nameOf(i int) (spec, int) {
	if r.low(i) != "name" || !belongs[r.low(i+1)] {
		return spec{}, 0
	}
	j := i + 2
	for determiners[r.low(j)] {
		j++
	}
	if !r.content(j) || len(lex().nouns[r.low(j)]) > 0 || slices.ContainsFunc(r.known, func(e Entity) bool { return strings.EqualFold(e.Label, r.low(j)) }) {
		return spec{}, 0
	}
	if key, known := lex().fields[langIndex(r.lang)][r.low(j)]; known {
		return r.lexField(key), j - i + 1
	}
	return r.typed(r.words[j].text, "text"), j - i + 1
}

// whether reads "whether it is indoor".
func (r *reading) whether(i int) (spec, int) {
	if r.low(i) != "whether" {
		return spec{}, 0
	}
	for j := i + 1; j < i+6 && j < len(r.words); j++ {
		if !r.stop(j) && !between[r.low(j)] {
			label := capital(cut(r.words[j].text, 24))
			return spec{field: Field{Name: slug(label, "_", 40), Label: label, Type: "bool"}}, j - i + 1
		}
	}
	return spec{}, 0
}

var listing = set("and or see know track und")

// asking reads "who has it", "where it stands" and "when it happened" when they
// continue a list of what to know.
func (r *reading) asking(i int) (spec, int) {
	if !listing[r.low(i-1)] && (i == 0 || !r.words[i-1].comma) {
		return spec{}, 0
	}
	switch r.low(i) {
	case "who", "wer", "wem":
		for j := i + 1; j < i+5; j++ {
			if key := lex().fields[langIndex(r.lang)][r.low(j)]; key == "borrower" || key == "assignee" {
				return r.lexField(key), j - i + 1
			}
		}
		return r.lexField("owner"), 1
	case "where", "wo":
		return r.lexField("location"), 1
	case "when", "wann":
		for j := i + 1; j < i+6; j++ {
			if key := lex().fields[langIndex(r.lang)][r.low(j)]; r.low(j) == "last" || r.low(j) == "zuletzt" || lex().Fields[key].Type == "date" {
				return spec{}, 0
			}
		}
		return r.lexField("date"), 1
	}
	return spec{}, 0
}

// knownField reads a word of the lexicon: price, author, due date.
func (r *reading) knownField(i int) (spec, int) {
	for n := 3; n > 0; n-- {
		phrase := r.phrase(i, n)
		key, ok := lex().fields[langIndex(r.lang)][phrase]
		if one, isPlural := singular(phrase, r.lang); !ok && isPlural && len(lex().nouns[phrase]) == 0 {
			key, ok = lex().fields[langIndex(r.lang)][one]
			ok = ok && (lex().Fields[key].Type == "text" || lex().Fields[key].Type == "choice")
		}
		if !ok || phrase == "" {
			continue
		}
		if nouns := lex().nouns[phrase]; len(nouns) > 0 && !r.fieldRatherThan(i, n, key, nouns) {
			return spec{}, 0
		}
		return r.lexField(key), n
	}
	return spec{}, 0
}

// fieldRatherThan decides a word that names both a field and a thing: it is the
// field where another thing came before and it is no plural thing of its own.
func (r *reading) fieldRatherThan(i, n int, key string, nouns []noun) bool {
	if i == 0 || manage[r.low(i-1)] || len(r.words) <= n+1 || r.contentWords() <= n {
		return false
	}
	earlier := len(r.known) > 0
	for j := 0; j < i && !earlier; j++ {
		earlier = !r.used[j] && (len(lex().nouns[r.low(j)]) > 0 || r.content(j) && r.lang == "en" && hasSuffix(r.low(j), "s"))
	}
	plural := nouns[0].plural && nouns[0].name.one != nouns[0].name.many
	if before := lex().nouns[r.low(i-1)]; plural && len(before) > 0 && !before[0].plural && !r.words[i-1].comma {
		return false // wedding guests
	}
	return earlier && (lex().Fields[key].Type != "text" || !plural)
}

// typeWords end a compound that says its own type: purchase date, unit price.
var typeWords = map[string]string{
	"date": "date", "price": "money", "cost": "money", "fee": "money", "number": "text", "count": "number", "score": "number", "level": "text",
	"link": "url", "url": "url", "address": "text", "email": "email", "name": "text", "colour": "text", "color": "text", "code": "text",
	"size": "text", "weight": "number", "length": "number", "height": "number", "notes": "longtext", "time": "text", "status": "text", "id": "text", "age": "number", "temperature": "number", "amount": "money", "rate": "number", "group": "text",
}

func (r *reading) compoundField(i int) (spec, int) {
	if r.lang != "en" || manage[r.low(i)] {
		return spec{}, 0
	}
	for n := 3; n >= 2; n-- {
		typ, ok := typeWords[r.low(i+n-1)]
		if !ok || r.phrase(i, n) == "" || !r.plainWords(i, n-1) {
			continue
		}
		if key, known := lex().fields[0][r.phrase(i, n)]; known {
			return r.lexField(key), n
		}
		return r.typed(r.text(i, i+n-1)+" "+r.low(i+n-1), typ), n
	}
	return spec{}, 0
}

// plainWords reports whether the n words at i can qualify a field: no small
// words but next and last, and no thing in the plural.
func (r *reading) plainWords(i, n int) bool {
	for j := i; j < i+n; j++ {
		nouns := lex().nouns[r.low(j)]
		adjective := r.low(j) == "next" || r.low(j) == "last"
		if !adjective && !r.content(j) || len(nouns) > 0 && (nouns[0].plural || n > 1) || manage[r.low(j)] {
			return false
		}
	}
	return true
}

// markLists reads nouns the lexicon does not know in "recipes with allergens and
// cuisine" as texts.
func (r *reading) markLists() {
	for i := 1; i < len(r.words); i++ {
		if !with[r.low(i)] || r.low(i) == "their" || r.low(i) == "its" || r.stop(i-1) {
			continue
		}
		for j := i + 1; j < len(r.words) && r.words[j].sentence == r.words[i].sentence; {
			if r.low(j) == "and" || r.low(j) == "und" || r.low(j) == "et" || r.low(j) == "y" || r.low(j) == "or" || r.used[j] || determiners[r.low(j)] {
				j++
				continue
			}
			end := j
			for end < len(r.words) && end < j+3 && r.content(end) && len(lex().nouns[r.low(end)]) == 0 {
				end++
				if r.words[end-1].comma {
					break
				}
			}
			nouns := lex().nouns[r.low(j)]
			if dative, ok := strings.CutSuffix(r.low(j), "n"); len(nouns) == 0 && ok && r.lang == "de" {
				nouns = lex().nouns[dative]
				end = j + 1
			}
			if len(nouns) > 0 && r.content(j) {
				if !nouns[0].plural && nouns[0].name.one != nouns[0].name.many {
					end = j + 1 // one of something is a value: with client
				} else {
					j++
					continue
				}
			}
			if end == j {
				break
			}
			s := r.typed(r.text(j, end), "")
			s.at = j
			r.specs = append(r.specs, s)
			for k := j; k < end; k++ {
				r.used[k] = true
			}
			j = end
		}
	}
}

func (r *reading) text(i, end int) string {
	var parts []string
	for ; i < end; i++ {
		parts = append(parts, r.words[i].text)
	}
	return strings.Join(parts, " ")
}

func (r *reading) lexField(key string) spec {
	return spec{field: lex().fieldOf(key, r.lang, false)}
}

// typed makes a field of a label; without a type, the label's words tell it.
func (r *reading) typed(label, typ string) spec {
	label = cut(label, 32)
	if r := []rune(label); len(r) < 2 || !unicode.IsUpper(r[1]) { // pH
		label = capital(label)
	}
	if typ == "" {
		typ = guessType(label)
	}
	name := slug(label, "_", 40)
	if name == "" || unicode.IsDigit(rune(name[0])) {
		name = "field_" + name
	}
	return spec{field: Field{Name: strings.TrimRight(name, "_"), Label: label, Type: typ}}
}

// guessType tells the type of a value from the words of its label.
func guessType(label string) string {
	low := strings.ToLower(label)
	for _, hint := range []struct{ typ, words string }{
		{"longtext", "notes description comment instructions story details summary beschreibung notizen"},
		{"date", "date deadline birthday day datum geburtstag fecha"},
		{"money", "price cost amount fee budget salary tax discount total preis kosten betrag prix coût precio coste deposit"},
		{"number", "number count quantity ph magnitude mass depth width length diameter speed pressure humidity age weight height temperature score points minutes hours distance calories level percent anzahl gewicht alter menge nombre poids cantidad peso"},
		{"email", "email e-mail mail"},
		{"url", "link url website photo picture video image"},
	} {
		for _, w := range strings.Fields(hint.words) {
			if low == w || strings.HasSuffix(low, " "+w) {
				return hint.typ
			}
		}
	}
	return "text"
}
