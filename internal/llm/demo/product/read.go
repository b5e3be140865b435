package product

import (
	"fmt"
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
		m.Notes = append(m.Notes, fmt.Sprintf("The idea is about %s; read as %s.", List(labels(concepts)), language(r.lang)))
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

	kept   []span // what a register, ledger or list in the idea is of
	holder []bool // words that only say in what it is kept, or for whom
	listed []item // the nouns behind a colon
	about  string // what stands before that colon, when it is no more than a name
}

func newReading(text string) *reading {
	r := &reading{words: words(clean2(text))}
	r.lang = r.language()
	r.splitHyphens()
	r.used, r.holder = make([]bool, len(r.words)), make([]bool, len(r.words))
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
var generic = set("ledger logbook roster archive collection collections catalog history app apps application applications tool tools system systems website websites site web page webpage program software platform service solution thing things stuff way tracker trackers manager planner organizer organiser log logger list lists database db register registry catalog catalogue overview dashboard data information info detail details item items user users everyone people anybody online mobile digital mini demo product mvp project version feature features interface screen button form table spreadsheet excel life day days week weeks month months year years home work hobby anwendung programm werkzeug webseite verwaltung liste listen übersicht daten datenbank sammlung tagebuch tool leute sachen dinge application logiciel outil site liste gestion suivi suivre données chose choses aplicación herramienta sitio lista gestión seguimiento datos cosa cosas control")

// manage are the verbs whose object is what the application keeps.
var manage = set("track tracks tracking manage manages managing organize organise organizing organising log logs logging record records recording collect collects collecting catalog catalogue cataloguing plan plans planning remember remembers store stores storing monitor monitors monitoring list lists listing note save saves saving administer register registers handle maintain maintains add adds include includes share shares rate rates review reviews compare book verwalten verwalte verfolgen erfassen sammeln planen speichern organisieren notieren merken ordnen gérer suivre noter enregistrer organiser planifier ranger collectionner gestionar seguir registrar organizar guardar anotar planificar apuntar coleccionar keep keeping of schedule schedules scheduling festhalten dokumentieren documenter documentar")

// determiners may stand between a verb and its object.
var determiners = set("ein eine einen einem einer a an the my our your their his her all every each some any next der die das den meine meinen mein unsere unseren alle le la les mes nos mon ma des de du el los las mis mi nuestros nuestras which what new different various own")

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
	if r.stop(i) || generic[w] || r.used[i] || r.holder[i] || len([]rune(w)) < 2 {
		return false
	}
	return strings.IndexFunc(w, unicode.IsLetter) >= 0
}
