package product

import (
	"fmt"
	"strings"
	"unicode"
)

// fallback finds something to keep in an idea whose words say little: another
// script, one word, signs only.
func (r *reading) fallback(idea string) (concept, string) {
	if c, ok := signs(idea, r.words); ok {
		return c, fmt.Sprintf("Recognized “%s” by the signs alone.", c.many)
	}
	if c, ok := r.frequent(); ok {
		if !latin(c.many) {
			return c, fmt.Sprintf("The language is not one of those known here; took the word “%s” for what is to be kept.", c.many)
		}
		return c, fmt.Sprintf("No known thing is named; took the word used most, “%s”, for what is to be kept.", c.many)
	}
	return concept{one: "Item", many: "Items"}, "Nothing in the idea names a thing; an application for plain items is a start that can be extended."
}

// signs looks for emoji and for words of scripts without rules of their own.
func signs(idea string, all []word) (concept, bool) {
	low, best, at := strings.ToLower(idea), concept{}, -1
	for _, key := range lex().order {
		for _, sign := range strings.Fields(strings.ReplaceAll(lex().Things[key].Signs, `"`, " ")) {
			marks := []string{sign}
			if strings.IndexFunc(sign, unicode.IsLetter) < 0 {
				marks = strings.Split(sign, "")
			}
			for _, mark := range marks {
				i := strings.Index(low, mark)
				if i < 0 || mark == "\ufe0f" || (at >= 0 && i >= at) {
					continue
				}
				at = i
				one, many := lex().nameOf(key, "en")
				best = concept{key: key, one: one, many: many}
				if label := wordWith(all, mark); label != "" {
					best.one, best.many, best.ident = label, label, one
				}
			}
		}
	}
	return best, at >= 0
}

// wordWith returns the word that contains mark; in a script without spaces, mark
// itself.
func wordWith(all []word, mark string) string {
	for _, w := range all {
		if strings.Contains(w.low, mark) {
			if strings.IndexFunc(w.text, func(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai) }) >= 0 {
				return mark
			}
			return capital(w.text)
		}
	}
	return ""
}

// frequent returns the content word that occurs most, with the word before it in
// a short idea; among equals a plural, then the first. In scripts without rules
// here it is the last, where such languages often put the object.
func (r *reading) frequent() (concept, bool) {
	count := map[string]int{}
	for i := range r.words {
		if r.content(i) && len([]rune(r.low(i))) > 2 {
			count[r.low(i)]++
		}
	}
	best, bestScore := -1, 0
	for i := range r.words {
		score := 4 * count[r.low(i)]
		if score == 0 || manage[r.low(i)] || relative[r.low(i-1)] {
			continue
		}
		if _, ok := singular(r.low(i), r.lang); ok {
			score++
		}
		if score > bestScore || score == bestScore && !latin(r.low(i)) {
			best, bestScore = i, score
		}
	}
	if best < 0 {
		return concept{}, false
	}
	start := best
	if latin(r.low(best)) && r.lang == "en" && len(r.words) <= 6 && best > 0 && r.content(best-1) && !manage[r.low(best-1)] && !r.words[best-1].comma && !r.words[best].start && !relative[r.low(best-2)] {
		start--
	}
	return r.unknown(start, best+1), true
}
