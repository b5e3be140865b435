package product

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Limits of what Read makes of an idea. Later requests may go beyond them.
const (
	maxEntities = 4
	maxFields   = 8
	longIdea    = 80 // words; above it a single mention says little
)

// Read understands an idea by plain language rules; any string gives a valid
// model, and Notes say how it was read.
func Read(idea string) Model {
	r := newReading(idea)
	m := Model{Lang: r.lang}
	concepts := r.concepts()
	if len(concepts) == 0 {
		c, note := r.fallback(idea)
		concepts = []concept{c}
		m.Notes = append(m.Notes, note)
	} else {
		m.Notes = append(m.Notes, fmt.Sprintf("The idea is about %s; read as %s.", list(labels(concepts)), language(r.lang)))
	}
	m.Entities, m.Actions = r.build(concepts, nil)
	r.relate(&m, concepts)
	r.trim(&m)
	m.settle()
	m.Persona = r.persona(concepts)
	m.Title = r.title(idea, m.Entities[0])
	m.App = appSlug(m.Title, m.Entities[0].Plural)
	m.Module = "example.com/" + m.App
	m.Tagline = tagline(idea, m)
	if len(r.words) > longIdea {
		m.Notes = append(m.Notes, "The text is long: what it mentions only once was left out.")
	}
	return m
}

// reading is an idea taken apart.
type reading struct {
	words []word
	lang  string
	used  []bool // words that say what a field is, and so name no entity
	specs []spec // the fields they say
	known []Entity
}

func newReading(text string) *reading {
	r := &reading{words: words(clean2(text))}
	r.used = make([]bool, len(r.words))
	r.lang = r.language()
	return r
}

// clean2 keeps the line ends that separate sentences.
func clean2(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r", "\n"), "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// The small words of each language. They tell the languages apart and are never
// the name of anything.
var stopwords = [4]map[string]bool{
	set("a an the and or but of for to in on at by with without from into over after before between about as is are was were be been being am do does did have has had having will would can could should may might must not no so that this these those it its it's i i'm i'd me my mine we us our ours you your yours he him his she her they them their who whom whose which what when where why how if than then there here also just only very too much many more most some any each every all both few other another own same such want wants need needs like likes please let lets let's get gets got make makes made able simple small little easy easily new good nice great help helps use used using keep keeps keeping one ones two lot lots really something someone anything everything whether while during again last time times out up down off per via etc next"),
	set("der die das den dem des ein eine einen einem einer eines und oder aber von für zu zum zur in im am an auf mit ohne aus bei nach vor über unter um als wie ist sind war waren sein bin wird werden kann können soll sollen muss müssen will möchte ich mich mir mein meine meinen meiner meines wir uns unser unsere du dein sie ihr ihre er es nicht kein keine auch nur sehr so dass daß wenn wann wo wer was welche welcher man alle alles viele mehr etwas jede jeder jedes einfach einfache einfaches kleine kleines neue neues haben habe hat hatte damit zuletzt letzte mal bitte brauche sich"),
	set("le la les l' un une des du de d' et ou mais pour à au aux en dans sur avec sans par chez est sont était être avoir ai as a ont je j'ai me mon ma mes nous notre nos vous votre vos il elle ils elles leur leurs ne pas plus que qui quoi dont où quand comment ce cette ces cet se son sa ses tout tous toute toutes veux voudrais besoin faire fait petit petite simple nouveau nouvelle très aussi"),
	set("el la los las un una unos unas y o pero de del para por a al en con sin sobre es son era ser estar está tengo tiene tener quiero quisiera necesito yo me mi mis nosotros nuestro nuestra tu tus su sus él ella ellos que quien cual cuando donde cómo como no más muy también este esta estos estas todos todas hacer pequeño pequeña simple nuevo nueva lo se"),
}

// generic words name a program or a part of one, never what it keeps.
var generic = set("app apps application applications tool tools system systems website websites site web page webpage program software platform service solution thing things stuff way tracker trackers manager planner organizer organiser log logger list lists database db register registry catalog catalogue overview dashboard data information info detail details item items user users everyone people anybody online mobile digital mini demo product mvp project version feature features interface screen button form table spreadsheet excel life day days week weeks month months year years home work hobby anwendung programm werkzeug webseite verwaltung liste listen übersicht daten datenbank sammlung tagebuch tool leute sachen dinge application logiciel outil site liste gestion suivi suivre données chose choses aplicación herramienta sitio lista gestión seguimiento datos cosa cosas control")

// manage are the verbs whose object is what the application keeps.
var manage = set("track tracks tracking manage manages managing organize organise organizing organising log logs logging record records recording collect collects collecting catalog catalogue cataloguing plan plans planning remember remembers store stores storing monitor monitors monitoring list lists listing note save saves saving administer register registers handle maintain maintains add adds include includes share shares rate rates review reviews compare book verwalten verwalte verfolgen erfassen sammeln planen speichern organisieren notieren merken ordnen gérer suivre noter enregistrer organiser planifier ranger collectionner gestionar seguir registrar organizar guardar anotar planificar apuntar coleccionar keep keeping of")

// determiners may stand between a verb and its object.
var determiners = set("a an the my our your their his her all every each some any next der die das den meine meinen mein unsere unseren alle le la les mes nos mon ma des de du el los las mis mi nuestros nuestras which what new different various own")

var englishHints = set("list tracker tool planner log app journal lists track")

func (r *reading) language() string {
	var score [4]int
	for _, w := range r.words {
		for i := range langs {
			if stopwords[i][w.low] {
				score[i] += 2
			}
			for _, n := range lex().nouns[w.low] {
				if n.name.lang == langs[i] && len(lex().nouns[w.low]) == 1 {
					score[i]++
				}
			}
		}
		if strings.ContainsAny(w.low, "äöüß") {
			score[1]++
		}
		if strings.ContainsAny(w.low, "ñ¿¡") {
			score[3]++
		}
		if englishHints[w.low] {
			score[0] += 2
		}
		if _, _, ok := germanCompound(w); ok {
			score[1]++
		}
	}
	best := 0
	for i := range score {
		if score[i] > score[best] {
			best = i
		}
	}
	return langs[best]
}

func language(lang string) string {
	return map[string]string{"en": "English", "de": "German", "fr": "French", "es": "Spanish"}[lang]
}

// concept is a candidate for an entity.
type concept struct {
	key       string // in the lexicon, "" for a word it does not know
	one, many string
	at        int // first mention
	ats       []int
	score     int
	strong    bool // named by a verb, a domain or a list, not just mentioned
	ident     string
}

func labels(concepts []concept) []string {
	var all []string
	for _, c := range concepts {
		all = append(all, c.many)
	}
	return all
}

func list(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:len(items)-1], ", ") + " and " + items[len(items)-1]
}

// phrase returns the n words at i in lower case, joined by single spaces.
func (r *reading) phrase(i, n int) string {
	if i+n > len(r.words) {
		return ""
	}
	parts := make([]string, n)
	for j := range n {
		parts[j] = r.words[i+j].low
		if j < n-1 && (r.words[i+j].comma || r.words[i+j+1].sentence != r.words[i].sentence) {
			return ""
		}
	}
	return strings.Join(parts, " ")
}

func (r *reading) low(i int) string {
	if i < 0 || i >= len(r.words) {
		return ""
	}
	return r.words[i].low
}

func (r *reading) stop(i int) bool {
	w := r.low(i)
	return w == "" || stopwords[langIndex(r.lang)][w] || (r.lang != "en" && stopwords[0][w])
}

// content reports whether the word at i may be part of a name.
func (r *reading) content(i int) bool {
	w := r.low(i)
	if r.stop(i) || generic[w] || r.used[i] || len([]rune(w)) < 2 {
		return false
	}
	return strings.IndexFunc(w, unicode.IsLetter) >= 0
}

// concepts finds what the idea wants kept, the most important first.
func (r *reading) concepts() []concept {
	r.markFields()
	found := map[string]*concept{}
	var order []string
	add := func(id string, c concept, points int, strong bool) {
		if have, ok := found[id]; ok {
			have.score += points
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
		if keys, width := r.domainAt(i); width > 0 && r.headOf(i+width) {
			n = width
		} else if width > 0 {
			for j, key := range keys {
				one, many := lex().nameOf(key, r.lang)
				add(key, concept{key: key, one: one, many: many, at: i}, 6-j, true)
			}
			n = width
		} else if c, width, weak := r.thingAt(i); width > 0 {
			if points, strong := r.weigh(i, width); (!weak || strong) && !r.headOf(i+width) && !r.boxOf(i, c) {
				add(c.key, c, points, strong)
			}
			n = width
		} else if c, width := r.objectAt(i); width > 0 {
			add(strings.ToLower(c.many), c, 5, true)
			n = width
		}
		i += n
	}
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
	for i++; determiners[r.low(i)]; i++ {
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
	now := lex().nouns[r.low(i)]
	return len(now) > 0 && (!now[0].plural || now[0].name.weak)
}

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
		if c.score > 0 && (!long || c.strong && c.score >= 5) && len(kept) < maxEntities {
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
		weak = best.name.weak && !best.plural && r.contentWords() > 3
		return concept{key: best.key, one: best.name.one, many: best.name.many, at: i}, n, weak
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
		if manage[w] {
			return 5, true
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
	if j < 0 || !manage[r.low(j)] || r.words[j].sentence != r.words[i].sentence || r.words[j].comma {
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
	return c, end - i
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
