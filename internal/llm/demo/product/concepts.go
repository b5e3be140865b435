package product

import (
	"slices"
	"strings"
)

// concept is a candidate for an entity.
type concept struct {
	key       string // in the lexicon, "" for a word it does not know
	one, many string
	at        int // first mention
	ats       []int
	score     int
	strong    bool // named by a verb, a domain or a list, not just mentioned
	domain    bool // only implied by a word for the whole activity
	doubtful  bool // its word may be another: somebody walks
	listed    bool // named behind a colon, after the thing it belongs to
	ident     string
}

func labels(concepts []concept) []string {
	var all []string
	for _, c := range concepts {
		all = append(all, c.many)
	}
	return all
}

// List joins items as an English sentence does: a, b and c.
func List(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:len(items)-1], ", ") + " and " + items[len(items)-1]
}

// concepts finds what the idea wants kept, the most important first.
func (r *reading) concepts() []concept {
	if r.known == nil {
		r.markRegister()
		r.markListed()
	}
	r.markFields()
	found := map[string]*concept{}
	var order []string
	add := func(id string, c concept, points int, strong bool) {
		if have, ok := found[id]; ok {
			have.score += points
			if have.domain && !c.domain { // the idea's own word, after a word for the whole
				have.one, have.many, have.domain = c.one, c.many, false
			}
			have.ats = append(have.ats, c.at)
			have.strong = have.strong || strong
			return
		}
		c.score, c.strong, c.ats = points, strong, []int{c.at}
		found[id] = &c
		order = append(order, id)
	}
	for i := 0; i < len(r.words); {
		n := 1
		if k := r.inList(i); r.holder[i] || k >= 0 && !r.listed[k].field {
			if c, ok := germanRegister(r.words[i]); ok && c.key != "" && r.lang == "de" && k < 0 {
				c.at = i
				add(c.key, c, 6, true)
				if strings.HasSuffix(r.low(i), "verleih") {
					one, many := lex().nameOf("loan", r.lang)
					add("loan", concept{key: "loan", one: one, many: many, at: i}, 5, true)
				}
			}
		} else if c, width := r.keptAt(i); width > 0 {
			add(id(c), c, 6, true)
			n = width
		} else if keys, width := r.domainAt(i); width > 0 && (r.headOf(i+width) || r.holds(i, width)) {
			n = width
		} else if width > 0 {
			for j, key := range keys {
				if len(r.listed) > 0 && i <= r.colon() && !r.mainBefore(r.colon()) {
					break // the list behind the colon says what is in it
				}
				one, many := lex().nameOf(key, r.lang)
				add(key, concept{key: key, one: one, many: many, at: i, domain: true}, 6-j, true)
			}
			n = width
		} else if c, width, weak := r.thingAt(i); width > 0 {
			if points, strong := r.weigh(i, width); (!weak || strong) && !r.headOf(i+width) && !r.boxOf(i, c) && !r.qualifies(i, width, c) && !r.verb(i, width) {
				add(c.key, c, points, strong)
			}
			n = width
		} else if c, width := r.objectAt(i); width > 0 {
			add(strings.ToLower(c.many), c, 5, true)
			n = width
		}
		i += n
	}
	r.listedConcepts(add)
	all := make([]concept, 0, len(order))
	for _, id := range order {
		all = append(all, *found[id])
	}
	return r.choose(all)
}

// headOf reports whether "of" and a thing follow at i: an inventory of samples is
// about samples.
func (r *reading) headOf(i int) bool {
	if r.low(i) != "of" && r.low(i) != "von" {
		return false
	}
	i++
	for determiners[r.low(i)] {
		i++
	}
	if i >= len(r.words) {
		return false
	}
	_, _, known := lexNoun(r, i)
	_, object := r.objectAt(i)
	return known || object > 0
}

// boxOf reports whether the noun at i only says what holds the thing before it:
// a recipe book, gift ideas.
func (r *reading) boxOf(i int, c concept) bool {
	if i == 0 || r.lang != "en" || r.words[i-1].comma || r.words[i].start || len(lex().nouns[r.phrase(i-1, 2)]) > 0 {
		return false
	}
	before := lex().nouns[r.low(i-1)]
	if len(before) == 0 || before[0].key == c.key || before[0].plural {
		return false
	}
	return containers[r.low(i)]
}

var containers = set("book books box boxes card cards idea ideas note notes journal diary log list entry entries file files")

// holds reports whether the word for a whole at i only says where the things
// around it are: a pantry inventory, an inventory for a comic collection.
func (r *reading) holds(i, width int) bool {
	if r.low(i) != "inventory" && r.low(i) != "library" && r.low(i) != "warehouse" {
		return false
	}
	if i > 0 && !r.words[i-1].comma && (len(lex().nouns[r.low(i-1)]) > 0 || len(lex().domains[r.low(i-1)]) > 0) {
		return true
	}
	next := i + width
	if r.low(next) != "for" {
		return false
	}
	next++
	for determiners[r.low(next)] {
		next++
	}
	if next >= len(r.words) {
		return false
	}
	_, n, weak := r.thingAt(next)
	return n > 0 && !weak
}

// qualifies reports whether the noun at i is only the first half of a compound
// with the thing after it: delivery vans. What the second can belong to stays.
func (r *reading) qualifies(i, width int, c concept) bool {
	next := i + width
	if r.lang != "en" || next >= len(r.words) || r.words[next-1].comma || r.words[next].start || containers[r.low(next)] {
		return false
	}
	if nouns := lex().nouns[r.phrase(i, width)]; len(nouns) == 0 || nouns[0].plural || len(lex().domains[r.low(next)]) > 0 {
		return false
	}
	after, n, _ := r.thingAt(next)
	if n == 0 || after.key == c.key {
		return n > 0 // bee hives
	}
	for _, in := range strings.Fields(lex().Things[after.key].In) {
		key, _, _ := strings.Cut(in, "=")
		if strings.TrimSuffix(key, "!") == c.key {
			return false
		}
	}
	return true
}

// verb reports whether the word at i, which could be a weak noun, is the verb of
// "that": a page that shows the weather.
func (r *reading) verb(i, width int) bool {
	nouns := lex().nouns[r.phrase(i, width)]
	return len(nouns) > 0 && nouns[0].name.weak && relative[r.low(i-1)]
}

var relative = set("that which who")

// often is how many mentions in a long text are more than in passing.
const often = 3

// choose orders concepts and leaves out what was only mentioned in passing.
func (r *reading) choose(all []concept) []concept {
	if len(all) == 0 {
		return nil
	}
	for i := range all {
		if i == 0 {
			all[i].score += 2 // what comes first is usually what it is about
		}
	}
	slices.SortStableFunc(all, func(a, b concept) int { return b.score - a.score })
	long := len(r.words) > longIdea
	kept := all[:1]
	for _, c := range all[1:] {
		if c.score > 0 && (!long || (c.strong || len(c.ats) >= often && !c.doubtful) && c.score >= 5) && len(kept) < maxEntities {
			kept = append(kept, c)
		}
	}
	for _, c := range kept {
		if c.key == "" {
			continue
		}
		for _, key := range strings.Fields(lex().Things[c.key].With) {
			if len(kept) < maxEntities && !slices.ContainsFunc(kept, func(k concept) bool { return k.key == key }) {
				one, many := lex().nameOf(key, r.lang)
				kept = append(kept, concept{key: key, one: one, many: many, at: c.at})
			}
		}
	}
	return kept
}

func (r *reading) domainAt(i int) ([]string, int) {
	for n := 3; n > 0; n-- {
		if keys := lex().domains[r.phrase(i, n)]; keys != nil {
			return keys, n
		}
	}
	return nil, 0
}

// thingAt returns the concept that the words at i name, how many words that
// takes, and whether the name alone is weak evidence.
func (r *reading) thingAt(i int) (c concept, width int, weak bool) {
	if r.used[i] {
		return concept{}, 0, false
	}
	for n := 3; n > 0; n-- {
		nouns := lex().nouns[r.phrase(i, n)]
		if dative, ok := strings.CutSuffix(r.phrase(i, n), "n"); len(nouns) == 0 && ok && r.lang == "de" {
			nouns = lex().nouns[dative] // mit Messwerten
		}
		if len(nouns) == 0 {
			continue
		}
		if n == 1 && generic[r.low(i)] && !nouns[0].plural {
			continue
		}
		best := nouns[0]
		for _, o := range nouns {
			if o.name.lang == r.lang && best.name.lang != r.lang {
				best = o
			}
		}
		if best.name.lang != r.lang && r.lang == "en" && len(r.words) > 1 {
			continue // a foreign word that an English text happens to contain
		}
		weak = best.name.weak && (!best.plural || best.name.one == best.name.many) && r.contentWords() > 3
		return concept{key: best.key, one: best.name.one, many: best.name.many, at: i, doubtful: best.name.weak}, n, weak
	}
	if r.lang == "de" {
		if c, ok := germanThing(r.words[i]); ok {
			c.at = i
			return c, 1, false
		}
	}
	return concept{}, 0, false
}

func (r *reading) contentWords() int {
	n := 0
	for i := range r.words {
		if !r.stop(i) && !generic[r.low(i)] {
			n++
		}
	}
	return n
}

// germanCompound finds a known noun at the end of a compound: Kochrezepte.
func germanCompound(w word) (n noun, prefix string, ok bool) {
	for cut := range w.low {
		if cut < 3 || len(w.low)-cut < 5 {
			continue
		}
		for _, n := range lex().nouns[w.low[cut:]] {
			if n.name.lang == "de" {
				return n, w.text[:min(cut, len(w.text))], true
			}
		}
	}
	return noun{}, "", false
}

func germanThing(w word) (concept, bool) {
	n, prefix, ok := germanCompound(w)
	if !ok {
		return concept{}, false
	}
	return concept{key: n.key, one: capital(prefix + strings.ToLower(n.name.one)), many: capital(prefix + strings.ToLower(n.name.many))}, true
}

// persons are things that may be the audience of an application instead of its
// content.
var persons = set("client member student employee player patient guest tenant contact team supplier")

// weigh says how much a mention at i counts, and whether the sentence makes it
// the object of the application.
func (r *reading) weigh(i, width int) (points int, strong bool) {
	mine := false
	j := i - 1
	for ; j >= 0 && r.words[j].sentence == r.words[i].sentence && !r.words[j].comma; j-- {
		w := r.low(j)
		mine = mine || possessives[w]
		if r.manages(j) {
			return 5, true
		}
		if j == i-1 && r.content(j) && len(lex().nouns[w]) == 0 {
			continue // one word may describe it: schedule piano lessons
		}
		if !determiners[w] && !stopwords[0][w] || audienceWords[w] || with[w] {
			break
		}
	}
	nouns := lex().nouns[r.phrase(i, width)]
	plural := len(nouns) > 0 && nouns[0].plural
	before := r.low(j)
	switch {
	case audienceWords[before] && !mine && (!plural || len(nouns) > 0 && persons[nouns[0].key]):
		return 0, false
	case audienceWords[before] && !plural && len(nouns) > 0 && (persons[nouns[0].key] || nouns[0].name.weak):
		return 0, false // for my team
	case mine:
		return 4, true
	case with[before]:
		return 2, true
	}
	return 1, i+width >= len(r.words) || r.low(i+width) == "tracker" || r.low(i+width) == "list"
}

var possessives = set("my our meine meinen meiner mein unsere mes mon ma nos mis mi nuestros nuestras")

var with = set("with including mit inklusive samt avec con incluyendo their its")

// objectAt recognizes a noun the lexicon does not know as the object of a verb:
// track my spaceships.
func (r *reading) objectAt(i int) (concept, int) {
	if i == 0 || !r.content(i) || manage[r.low(i)] {
		return concept{}, 0
	}
	j := i - 1
	for j >= 0 && determiners[r.low(j)] && r.words[j].sentence == r.words[i].sentence && !r.words[j].comma {
		j--
	}
	if j < 0 || !r.manages(j) || r.words[j].sentence != r.words[i].sentence || r.words[j].comma {
		return concept{}, 0
	}
	end := i + 1
	for end < len(r.words) && end < i+3 && r.content(end) && !r.words[end-1].comma && r.words[end].sentence == r.words[i].sentence {
		if _, _, known := lexNoun(r, end); known {
			return concept{}, 0 // climbing books: the known noun is the head
		}
		end++
	}
	c := r.unknown(i, end)
	if one, isPlural := germanSingular(c.many); r.lang == "de" && isPlural && j > 0 && r.holder[j-1] {
		c.one = one
	}
	return c, end - i
}

// manages reports whether the word at j is a verb whose object is to be kept; "of"
// is one only after a word such as list.
func (r *reading) manages(j int) bool {
	w := r.low(j)
	if r.lang == "de" && (w == "für" || w == "von") && j > 0 && r.holder[j-1] {
		return true // Laborbuch für Experimente
	}
	if w != "of" {
		return manage[w]
	}
	head := r.low(j - 1)
	return generic[head] || manage[head] || len(lex().domains[head]) > 0 || containers[head]
}

func lexNoun(r *reading, i int) (concept, int, bool) {
	c, width, _ := r.thingAt(i)
	return c, width, width > 0
}

// unknown makes a concept of the words from i to end.
func (r *reading) unknown(i, end int) concept {
	var parts []string
	for ; i < end; i++ {
		parts = append(parts, r.words[i].text)
	}
	text := cut(strings.Join(parts, " "), 40)
	one, isPlural := singular(text, r.lang)
	c := concept{one: one, many: text, at: end - 1}
	if !isPlural {
		c.many = plural(text, r.lang)
	}
	return c
}

// nameOf returns the usual name of a thing in lang.
func (l *lexicon) nameOf(key, lang string) (one, many string) {
	n := l.Things[key].names[langIndex(lang)][0]
	return n.one, n.many
}
