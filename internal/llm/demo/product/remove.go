package product

import (
	"strings"
)

// The words that ask for less. The templates only add, so what such a word governs
// is never read as something to add.
var (
	// removing words stand before what they take away.
	removing = set("remove delete drop discard scrap omit hide eliminate entferne entfernt lösche löscht streiche streicht supprime supprimer supprimez retire retirer retirez enlève enlever elimina eliminar quita quitar borra borrar")
	// removed words end what they take away: Telefon entfernen; the phone is no longer needed.
	removed = set("entfernen löschen streichen weglassen wegfallen rausnehmen herausnehmen rauswerfen weg raus überflüssig unnecessary superfluous obsolete")
	// lacking words take away a noun and not more.
	lacking = set("without ohne sans sin statt anstatt")
	// replacing words take away what stands before "by" or "with".
	replacing = set("replace ersetze ersetzen remplace remplacer reemplaza reemplazar")
	replacer  = set("with by through durch mit par por")
	// asked may stand before a removing word that is an order and no description: a
	// button to remove old ones removes nothing.
	asked   = set("and then please also but just now should must can could you we i let's und dann bitte auch et puis y luego not")
	wanting = set("want wants need like wish möchte möchten")
)

// Removals are the things that request asks to take away, in its own words. Extend
// leaves them as they are.
func Removals(request string) []string {
	r := newReading(request)
	return r.takeAway()
}

// takeAway drops from the text every word that something asks to remove, and
// returns what was dropped.
func (r *reading) takeAway() []string {
	gone := make([]bool, len(r.words))
	var names []string
	for i := 0; i < len(r.words); i++ {
		from, to := r.governed(i)
		if to <= from {
			continue
		}
		var said []string
		for j := from; j < to; j++ {
			if !gone[j] && !r.orderWord(j) {
				said = append(said, r.words[j].text)
			}
			gone[j] = true
		}
		if name := trimPhrase(said); name != "" {
			names = append(names, name)
		}
		gone[i] = true
		i = max(i, to-1)
	}
	var left []word
	cut := 0
	for i, w := range r.words {
		if gone[i] {
			cut = 1
			continue
		}
		if cut > 0 { // what follows stands by itself
			w.start = true
		}
		if len(left) > 0 && w.start && left[len(left)-1].sentence == w.sentence {
			for j := i; j < len(r.words); j++ {
				r.words[j].sentence++
			}
			w.sentence++
		}
		cut = 0
		left = append(left, w)
	}
	r.words = left
	r.used, r.holder = make([]bool, len(left)), make([]bool, len(left))
	return names
}

// governed returns the words that the one at i takes away, none when it takes away
// nothing.
func (r *reading) governed(i int) (from, to int) {
	w, end := r.low(i), r.clauseEnd(i)
	switch {
	case w == "get" && r.low(i+1) == "rid" && r.low(i+2) == "of", w == "take" && r.low(i+1) == "out", w == "leave" && r.low(i+1) == "out":
		return i, end
	case removing[w] && r.ordered(i):
		return i, end
	case w == "no" && r.low(i+1) == "longer", w == "not" && r.hasWord(i, end, "anymore"), w == "nicht" && r.low(i+1) == "mehr":
		return r.clauseStart(i), end
	case removed[w] && r.words[i].start:
		return i, end
	case removed[w] && !isUpper(r.words[i].text) && r.low(i-1) != "zum" && r.low(i-1) != "zu",
		hasSuffix(w, "removed", "deleted", "dropped", "entfernt", "gelöscht", "gestrichen") && (r.low(i-1) == "be" || hasSuffix(w, "t", "gestrichen") && r.low(i+1) == "werden"):
		return r.clauseStart(i), i + 1
	case lacking[w], w == "instead" && r.low(i+1) == "of":
		end = i + 1
		if w == "instead" {
			end++
		}
		for end < len(r.words) && !r.words[end].start && !addWords[r.low(end)] && (determiners[r.low(end)] || !r.stop(end)) {
			end++
			if r.words[end-1].comma {
				break
			}
		}
		return i, end
	case replacing[w] && r.ordered(i):
		for j := i + 1; j < end; j++ {
			if replacer[r.low(j)] {
				return i, j + 1
			}
		}
		return i, end
	}
	return 0, 0
}

// ordered reports whether the verb at i is asked for and not only spoken of.
func (r *reading) ordered(i int) bool {
	before := r.low(i - 1)
	return i == 0 || r.words[i].start || r.words[i-1].comma || asked[before] || before == "to" && wanting[r.low(i-2)] || addWords[before]
}

// clauseEnd returns where the clause at i ends: at the sentence's end, or where the
// text turns to something else it wants.
func (r *reading) clauseEnd(i int) int {
	for j := i + 1; j < len(r.words); j++ {
		if r.words[j].start || r.turns(j) {
			return j
		}
	}
	return len(r.words)
}

// turns reports whether another wish begins at j.
func (r *reading) turns(j int) bool {
	switch r.low(j) {
	case "but", "aber", "sondern", "mais", "pero":
		return true
	case "and", "und", "et", "y", "then", "dann":
		for k := j + 1; k <= j+3; k++ {
			if addWords[r.low(k)] || removing[r.low(k)] || replacing[r.low(k)] || r.low(k) == "get" {
				return true
			}
			if !asked[r.low(k)] && r.low(k) != "it" {
				break
			}
		}
		return r.low(j) == "und" && r.endsWith(j+1)
	}
	return r.words[j-1].comma && (addWords[r.low(j)] || removing[r.low(j)])
}

// endsWith reports whether the German clause at j ends with a verb that adds or
// removes: und Zeuge ergänzen.
func (r *reading) endsWith(j int) bool {
	end := j
	for end+1 < len(r.words) && !r.words[end+1].start {
		end++
	}
	last := r.low(end)
	return end < len(r.words) && (addWords[last] || removed[last] || last == "ergänzen" || last == "aufnehmen")
}

// clauseStart returns where the clause that ends at i began.
func (r *reading) clauseStart(i int) int {
	for j := i; j > 0; j-- {
		if r.words[j].start || r.turns(j) {
			return j
		}
		if r.words[j-1].comma && r.addsBefore(j) || r.words[j-1].sentence == r.words[j].sentence && (r.low(j-1) == "because" || r.low(j-1) == "hinzufügen" || r.low(j-1) == "ergänzen") {
			return j
		}
	}
	return 0
}

// addsBefore reports whether the sentence asks for something new before j.
func (r *reading) addsBefore(j int) bool {
	for k := j - 1; k >= 0 && r.words[k].sentence == r.words[j].sentence; k-- {
		if addWords[r.low(k)] || r.low(k) == "ergänzen" {
			return true
		}
	}
	return false
}

func (r *reading) hasWord(from, to int, w string) bool {
	for i := from; i < to; i++ {
		if r.low(i) == w {
			return true
		}
	}
	return false
}

// orderWord reports whether the word at j belongs to the order and not to what it
// is about.
func (r *reading) orderWord(j int) bool {
	w := r.low(j)
	return removing[w] || removed[w] || lacking[w] || replacing[w] || replacer[w] && w != "mit" || orderWords[w] || hasSuffix(w, "removed", "deleted", "dropped", "entfernt", "gelöscht", "gestrichen")
}

var orderWords = set("get rid take leave out instead no longer not anymore nicht mehr needed need needs want wanted used we i you should must can could be is are please bitte wir ich brauche brauchen braucht soll sollen kann können muss werden wird ist sind do don't sie and und also then but of")

// trimPhrase joins the words of what is taken away.
func trimPhrase(said []string) string { return cut(strings.Join(said, " "), 60) }
