package product

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWords bounds how much of an idea is read; what comes after is repetition or
// noise to rules like these.
const maxWords = 8000

// word is one token of an idea.
type word struct {
	text     string // as written
	low      string // lower case
	start    bool   // first of a sentence
	comma    bool   // a comma follows
	colon    bool   // a colon follows
	sentence int
}

// words splits text at everything that is not a letter, digit, or an apostrophe,
// hyphen, plus or ampersand inside a word.
func words(text string) []word {
	var all []word
	sentence, start := 0, true
	runes := []rune(text)
	for i := 0; i < len(runes) && len(all) < maxWords; {
		if !wordRune(runes[i]) {
			if strings.ContainsRune(".!?;:\n。！？", runes[i]) && !start {
				sentence, start = sentence+1, true
				all[len(all)-1].colon = runes[i] == ':'
			}
			if strings.ContainsRune(",、،(/", runes[i]) && len(all) > 0 {
				all[len(all)-1].comma = true
			}
			i++
			continue
		}
		j := i + 1
		for j < len(runes) && (wordRune(runes[j]) || joins(runes, j)) {
			j++
		}
		w := string(runes[i:j])
		all = append(all, word{text: w, low: strings.ToLower(strings.ReplaceAll(w, "’", "'")), start: start, sentence: sentence})
		start, i = false, j
	}
	return all
}

func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r)
}

// joins reports whether the mark at i holds two halves of one word together.
func joins(runes []rune, i int) bool {
	return strings.ContainsRune("'’-&", runes[i]) && i+1 < len(runes) && wordRune(runes[i+1])
}

// latin reports whether every letter of s is a Latin one.
func latin(s string) bool {
	for _, r := range s {
		if unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) {
			return false
		}
	}
	return true
}

// translit spells letters in ASCII that do not decompose to one.
var translit = map[rune]string{
	'ä': "ae", 'ö': "oe", 'ü': "ue", 'ß': "ss", 'à': "a", 'á': "a", 'â': "a", 'ã': "a", 'å': "a", 'æ': "ae", 'ç': "c",
	'è': "e", 'é': "e", 'ê': "e", 'ë': "e", 'ì': "i", 'í': "i", 'î': "i", 'ï': "i", 'ñ': "n", 'ò': "o", 'ó': "o",
	'ô': "o", 'õ': "o", 'ø': "o", 'œ': "oe", 'ù': "u", 'ú': "u", 'û': "u", 'ý': "y", 'ÿ': "y", 'ł': "l", 'ś': "s",
	'š': "s", 'ż': "z", 'ź': "z", 'ž': "z", 'č': "c", 'ć': "c", 'ę': "e", 'ą': "a", 'ń': "n", 'ř': "r", 'ě': "e",
	'ů': "u", 'đ': "d", 'ğ': "g", 'ı': "i", 'ş': "s", 'ő': "o", 'ű': "u", 'ă': "a", 'ț': "t", 'ș': "s",
	'а': "a", 'б': "b", 'в': "v", 'г': "g", 'д': "d", 'е': "e", 'ё': "yo", 'ж': "zh", 'з': "z", 'и': "i", 'й': "y",
	'к': "k", 'л': "l", 'м': "m", 'н': "n", 'о': "o", 'п': "p", 'р': "r", 'с': "s", 'т': "t", 'у': "u", 'ф': "f",
	'х': "kh", 'ц': "ts", 'ч': "ch", 'ш': "sh", 'щ': "shch", 'ъ': "", 'ы': "y", 'ь': "", 'э': "e", 'ю': "yu", 'я': "ya",
	'і': "i", 'ї': "yi", 'є': "ye", 'ґ': "g",
	'α': "a", 'β': "v", 'γ': "g", 'δ': "d", 'ε': "e", 'ζ': "z", 'η': "i", 'θ': "th", 'ι': "i", 'κ': "k", 'λ': "l",
	'μ': "m", 'ν': "n", 'ξ': "x", 'ο': "o", 'π': "p", 'ρ': "r", 'σ': "s", 'ς': "s", 'τ': "t", 'υ': "y", 'φ': "f",
	'χ': "ch", 'ψ': "ps", 'ω': "o", 'ά': "a", 'έ': "e", 'ή': "i", 'ί': "i", 'ό': "o", 'ύ': "y", 'ώ': "o",
}

// slug spells s in lower-case ASCII letters and digits joined by sep; "" when
// nothing of it can be spelled.
func slug(s, sep string, limit int) string {
	var parts []string
	var part strings.Builder
	flush := func() {
		if part.Len() > 0 {
			parts = append(parts, part.String())
			part.Reset()
		}
	}
	for _, r := range strings.ToLower(s) {
		ascii, known := translit[r]
		switch {
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			part.WriteRune(r)
		case known:
			part.WriteString(ascii)
		case r == '\'' || r == '’' || unicode.Is(unicode.Mn, r):
		default:
			flush()
		}
	}
	flush()
	out := ""
	for _, p := range parts {
		next := p
		if out != "" {
			next = out + sep + p
		}
		if len(next) > limit && out != "" {
			break
		}
		out = next
	}
	return out[:min(len(out), limit)]
}

// pascal spells s as an exported Go identifier, "" when it cannot be one.
func pascal(s string) string {
	var b strings.Builder
	for _, part := range strings.Split(slug(s, "_", 40), "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	name := strings.TrimLeft(b.String(), "0123456789")
	if name == "" {
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// goName turns a snake_case field name into a Go name.
func goName(snake string) string {
	switch snake {
	case "url":
		return "URL"
	case "id":
		return "ID"
	}
	return pascal(snake)
}

// capital returns s with its first letter in upper case.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// Within returns a label as it stands inside a sentence: German nouns and
// abbreviations keep their capitals.
func Within(label, lang string) string {
	r, n := utf8.DecodeRuneInString(label)
	second, _ := utf8.DecodeRuneInString(label[n:])
	if lang == "de" || unicode.IsUpper(second) || unicode.IsDigit(second) {
		return label
	}
	return string(unicode.ToLower(r)) + label[n:]
}

// cut shortens s to at most limit runes, at a word boundary if there is one.
func cut(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	short := string(runes[:limit])
	if i := strings.LastIndexByte(short, ' '); i > len(short)/2 {
		short = short[:i]
	}
	return strings.TrimRight(short, " ,;:-–") + "…"
}

// clean replaces control characters and runs of space by single spaces.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

var (
	irregularPlurals = map[string]string{"person": "people", "child": "children", "man": "men", "woman": "women", "mouse": "mice", "foot": "feet", "tooth": "teeth", "goose": "geese", "leaf": "leaves", "knife": "knives", "shelf": "shelves", "life": "lives", "wife": "wives", "half": "halves", "wolf": "wolves", "loaf": "loaves", "criterion": "criteria", "datum": "data"}
	irregularSingles = func() map[string]string {
		m := map[string]string{}
		for one, many := range irregularPlurals {
			m[many] = one
		}
		return m
	}()
	// unchanged are words that end in s without being a plural, or have none.
	unchanged = map[string]bool{"series": true, "species": true, "news": true, "chess": true, "fitness": true, "business": true, "gear": true, "equipment": true, "furniture": true, "luggage": true, "software": true, "music": true, "homework": true, "money": true, "sheep": true, "fish": true, "weather": true, "traffic": true, "sleep": true, "feedback": true, "research": true, "progress": true, "laundry": true, "clothing": true, "jewelry": true, "advice": true, "mail": true}
)

// plural returns the plural of the last word of an English, French or Spanish noun.
func plural(one, lang string) string {
	head, last := "", one
	if i := strings.LastIndexByte(one, ' '); i >= 0 {
		head, last = one[:i+1], one[i+1:]
	}
	low := strings.ToLower(last)
	if !latin(low) {
		return one
	}
	if many, ok := irregularPlurals[low]; ok && lang == "en" {
		return head + matchCase(last, many)
	}
	switch {
	case low == "" || unchanged[low] || lang == "de":
		return one
	case lang == "fr":
		if strings.HasSuffix(low, "s") || strings.HasSuffix(low, "x") || strings.HasSuffix(low, "z") {
			return one
		}
		return one + "s"
	case lang == "es":
		if strings.ContainsAny(low[len(low)-1:], "aeiou") || !latinEnd(low) {
			return one + "s"
		}
		return one + "es"
	case strings.HasSuffix(low, "y") && len(low) > 1 && !strings.ContainsRune("aeiou", rune(low[len(low)-2])):
		return one[:len(one)-1] + "ies"
	case hasSuffix(low, "s", "x", "z", "ch", "sh"):
		return one + "es"
	}
	return one + "s"
}

func latinEnd(s string) bool { return s[len(s)-1] < utf8.RuneSelf }

// singular undoes plural, as far as the form of a word tells; ok says that the
// word looked like a plural.
func singular(many, lang string) (one string, ok bool) {
	head, last := "", many
	if i := strings.LastIndexByte(many, ' '); i >= 0 {
		head, last = many[:i+1], many[i+1:]
	}
	low := strings.ToLower(last)
	if one, found := irregularSingles[low]; found && lang == "en" {
		return head + matchCase(last, one), true
	}
	switch {
	case len(low) < 4 || unchanged[low]:
		return many, false
	case lang == "de":
		if hasSuffix(low, "ungen", "heiten", "keiten", "schaften", "ionen", "täten") {
			return many[:len(many)-2], true
		}
		return many, false
	case lang == "es" && strings.HasSuffix(low, "ciones"):
		return strings.TrimSuffix(many, "ones") + "ón", true
	case lang == "en" && strings.HasSuffix(low, "ies") && len(low) > 4:
		return many[:len(many)-3] + "y", true
	case lang == "en" && hasSuffix(low, "sses", "xes", "ches", "shes", "zes"):
		return many[:len(many)-2], true
	case strings.HasSuffix(low, "s") && !hasSuffix(low, "ss", "us", "is"):
		return many[:len(many)-1], true
	}
	return many, false
}

func hasSuffix(s string, suffixes ...string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}

func matchCase(like, s string) string {
	if r, _ := utf8.DecodeRuneInString(like); unicode.IsUpper(r) {
		return capital(s)
	}
	return s
}

var irregularVerbs = map[string]string{
	"fed": "feed", "paid": "pay", "read": "read", "sent": "send", "bought": "buy", "sold": "sell", "lent": "lend", "ate": "eat", "eaten": "eat",
	"met": "meet", "ran": "run", "run": "run", "rode": "ride", "ridden": "ride", "drank": "drink", "drunk": "drink", "saw": "see", "seen": "see",
	"took": "take", "taken": "take", "gave": "give", "given": "give", "made": "make", "cut": "cut", "won": "win", "lost": "lose", "wore": "wear",
	"worn": "wear", "spoke": "speak", "swept": "sweep", "slept": "sleep", "did": "do", "done": "do", "went": "visit", "gone": "visit", "heard": "hear",
	"held": "hold", "kept": "keep", "left": "leave", "built": "build", "caught": "catch", "taught": "teach", "wrote": "write", "written": "write",
	"swam": "swim", "flew": "fly", "flown": "fly", "sang": "sing", "sung": "sing", "spent": "spend", "used": "use",
	"completed": "complete",
}

// verbOf returns the base form of a past participle, or "" when w is none.
func verbOf(w string) string {
	if base, ok := irregularVerbs[w]; ok {
		return base
	}
	stem, ok := strings.CutSuffix(w, "ed")
	if !ok || len(stem) < 3 || stem != slug(stem, "-", 40) {
		return ""
	}
	n := len(stem)
	last, before := stem[n-1], stem[n-2]
	switch {
	case last == 'i':
		return stem[:n-1] + "y" // tidied
	case last == before && !strings.ContainsRune("lsz", rune(last)):
		return stem[:n-1] // planned
	case strings.ContainsRune("cvuz", rune(last)), hasSuffix(stem, "ang", "rg", "dg", "ns", "rs"):
		return stem + "e" // serviced, changed
	case vowel(last) || !vowel(before) || vowel(stem[n-3]) || strings.ContainsRune("wxy", rune(last)):
		return stem // cleaned, inspected, oiled
	case n < 4 || !strings.ContainsAny(stem[:n-2], "aeiou"):
		return stem + "e" // baked
	case hasSuffix(stem, "at", "uc", "ur", "is", "ut", "id", "os"):
		return stem + "e" // updated, measured
	}
	return stem // watered, visited
}

func vowel(b byte) bool { return strings.IndexByte("aeiou", b) >= 0 }
