package blueprint

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

var (
	namePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)
	codePattern = regexp.MustCompile(`^G(0|[1-9][0-9]?)$`)
)

// Longest texts, in characters.
const (
	maxTitle = 120
	maxText  = 4000
)

// blueprint checks what the shape alone does not say.
func (c *checker) blueprint(b *Blueprint) {
	c.name("name", b.Name, "blueprint")
	c.text("title", b.Title, maxTitle)
	c.text("description", b.Description, maxText)
	if b.Version < 1 {
		c.problem("version", "Begin with 1 and count up with every edition.", "the version must be at least 1")
	}
	c.list("for", b.For, Types, "project type")
	if len(b.For) == 0 {
		c.problem("for", "List one or more of: "+strings.Join(Types, ", ")+".", "the blueprint is for no project type")
	}
	c.tiers(b)
	c.proofs(b)
	c.codes(b)
	c.stops(b)
	for i := range b.Gates {
		c.gate(b, i)
	}
}

func (c *checker) tiers(b *Blueprint) {
	for _, tier := range Tiers {
		if _, ok := b.Tiers[tier]; !ok && !c.bad["tiers."+tier] {
			c.problem("tiers", fmt.Sprintf("Add `%s: 80`, the line coverage it asks for in percent.", tier), "the tier %q is missing", tier)
		}
	}
	for _, tier := range slices.Sorted(maps.Keys(b.Tiers)) {
		path := "tiers." + tier
		if !slices.Contains(Tiers, tier) {
			c.problem(path, suggest(tier, Tiers), "the tier %q is unknown", tier)
			continue
		}
		if percent := b.Tiers[tier]; percent < 1 || percent > 100 {
			c.problem(path, "Give the line coverage in percent, 1 to 100.", "the tier must be 1 to 100, and is %d", percent)
		}
	}
}

func (c *checker) proofs(b *Blueprint) {
	for _, name := range slices.Sorted(maps.Keys(b.Proofs)) {
		path := "proofs." + name
		c.name(path, name, "proof")
		c.member(path, name, c.known.Proofs, "proof")
		if len(b.Proofs[name].Inputs) == 0 {
			c.problem(path, "List the path patterns it looks at, for example [\"**\"].", "the proof %q has no inputs", name)
		}
		for i, pattern := range b.Proofs[name].Inputs {
			c.pattern(fmt.Sprintf("%s.inputs[%d]", path, i), strings.TrimPrefix(pattern, "!"))
		}
		if in := b.Proofs[name].Inputs; len(in) > 0 && !slices.ContainsFunc(in, func(p string) bool { return !strings.HasPrefix(p, "!") }) {
			c.problem(path+".inputs", "Begin with what it looks at, for example \"**\".", "the inputs only take paths out")
		}
	}
}

// codes checks the codes of the gates: known form, rising, each once.
func (c *checker) codes(b *Blueprint) {
	if len(b.Gates) == 0 {
		c.problem("gates", "Start from `layercake blueprint show traditional`.", "the blueprint has no gates")
		return
	}
	last := -1
	first := map[string]int{}
	for i, g := range b.Gates {
		path := fmt.Sprintf("gates[%d].code", i)
		if !codePattern.MatchString(g.Code) {
			c.problem(path, "Use G and a number: G0, G1, … G99.", "the gate code %q is not one", g.Code)
			continue
		}
		n, _ := strconv.Atoi(g.Code[1:]) // the pattern admits digits only
		earlier, twice := first[g.Code]
		switch {
		case twice:
			c.problem(path, "Give each gate its own code.", "the gate %s is there twice, first in line %d", g.Code, c.lineOf(fmt.Sprintf("gates[%d]", earlier)))
		case n < last:
			c.problem(path, "Put the gates in the order of their numbers.", "the gate %s comes after G%d", g.Code, last)
		case i == 0 && n != 0:
			c.problem(path, "Begin with G0, which creating the project decides.", "the first gate is %s", g.Code)
		}
		if !twice {
			first[g.Code] = i
		}
		last = max(last, n)
	}
}

// stops checks that joined gates stand together and can be decided by the same
// people.
func (c *checker) stops(b *Blueprint) {
	last := map[string]int{}
	for i, g := range b.Gates {
		if g.Stop == "" {
			continue
		}
		path := fmt.Sprintf("gates[%d].stop", i)
		c.name(path, g.Stop, "stop")
		if g.Code == "G0" {
			c.problem(path, "Leave the stop of G0 out.", "G0 is decided by creating the project and joins no stop")
		}
		previous, seen := last[g.Stop]
		last[g.Stop] = i
		if !seen {
			continue
		}
		if previous != i-1 {
			c.problem(path, "Join gates that follow one another, or use another name.", "the stop %q is interrupted between %s and %s", g.Stop, b.Gates[previous].Code, g.Code)
		}
		if !sameApproval(b.Gates[previous].Approval, g.Approval) {
			c.problem(fmt.Sprintf("gates[%d].approval", i), "Give all gates of a stop the same approval rule.", "the approval differs from that of %s in the same stop, so that one decision could not cover both", b.Gates[previous].Code)
		}
	}
}

func sameApproval(a, b Approval) bool {
	return a.Quorum == b.Quorum && a.SeparateAuthor == b.SeparateAuthor &&
		slices.Equal(slices.Sorted(slices.Values(a.Roles)), slices.Sorted(slices.Values(b.Roles)))
}

// text checks a text that must be there, readable and not endless.
func (c *checker) text(path, value string, limit int) {
	odd := strings.IndexFunc(value, func(r rune) bool {
		return !unicode.IsGraphic(r) && r != '\u200d' && (r != '\n' || limit <= maxTitle)
	})
	switch {
	case value == "":
		c.problem(path, "Write it out.", "%s is empty", path[strings.LastIndex(path, ".")+1:])
	case utf8.RuneCountInString(value) > limit:
		c.problem(path, "Shorten it.", "the text has more than %d characters", limit)
	case odd >= 0:
		r, _ := utf8.DecodeRuneInString(value[odd:])
		c.problem(path, "Remove it.", "the text holds the control character %q", r)
	}
}

// name checks an identifier.
func (c *checker) name(path, value, what string) {
	if !namePattern.MatchString(value) {
		c.problem(path, "Use up to 40 small letters, digits, _ and -, beginning with a letter.", "%q is not the name of a %s", cut(value), what)
	}
}

// member checks that a name is known; a nil list knows all.
func (c *checker) member(path, value string, known []string, what string) {
	if known != nil && !slices.Contains(known, value) && namePattern.MatchString(value) {
		c.problem(path, suggest(value, known), "the %s %q is unknown", what, value)
	}
}

// list checks names that must be known and different.
func (c *checker) list(path string, values, known []string, what string) {
	for i, v := range values {
		at := fmt.Sprintf("%s[%d]", path, i)
		if !slices.Contains(known, v) {
			c.problem(at, suggest(v, known), "the %s %q is unknown", what, cut(v))
		} else if slices.Contains(values[:i], v) {
			c.problem(at, "Name it once.", "the %s %q is there twice", what, v)
		}
	}
}

// when checks a condition against the vocabulary.
func (c *checker) when(path, value string) {
	for _, t := range terms(value) {
		if !slices.Contains(c.known.Facts, t.fact) {
			c.problem(path, suggest(t.fact, c.known.Facts), "the fact %q is unknown", cut(t.fact))
		}
	}
}

// pattern checks a path pattern of the repository.
func (c *checker) pattern(path, value string) {
	if reason := patternProblem(value); reason != "" {
		c.problem(path, "Use a path inside the repository, for example \"docs/**\" or \"**/*.go\".", "the pattern %q %s", cut(value), reason)
	}
}

func patternProblem(p string) string {
	switch {
	case p == "":
		return "is empty"
	case len(p) > 1000:
		return "is longer than 1000 bytes"
	case strings.ContainsFunc(p, func(r rune) bool { return !unicode.IsGraphic(r) }):
		return "holds a control character"
	case strings.ContainsAny(p, `\[]`):
		return "uses a backslash or a bracket, which patterns do not know"
	case strings.HasPrefix(p, "!"):
		return "begins with !, which is only allowed in the inputs of a proof"
	case strings.HasPrefix(p, "/") || len(p) > 1 && p[1] == ':':
		return "is absolute"
	}
	if reason := bracesProblem(p); reason != "" {
		return reason
	}
	// Inside braces a comma separates names as a slash does, so that {a,../b} is seen too.
	for part := range strings.FieldsFuncSeq(p, func(r rune) bool { return strings.ContainsRune("/,{}", r) }) {
		switch {
		case part == "." || part == "..":
			return "climbs out of the repository with " + part
		case strings.EqualFold(part, ".git"):
			return "reaches into .git"
		}
	}
	if strings.Contains(p, "//") || strings.HasSuffix(p, "/") {
		return "has a folder without a name"
	}
	// What the repository cannot expand would match nothing, silently.
	if err := repo.CheckPattern(p); err != nil {
		return "cannot be matched: " + fault.Public(err)
	}
	return ""
}

func bracesProblem(p string) string {
	open := false
	for _, r := range p {
		switch {
		case r == '{' && open:
			return "has braces within braces"
		case r == '}' && !open:
			return "closes a brace that is not open"
		case r == '{' || r == '}':
			open = r == '{'
		case r == '/' && open:
			return "has a slash within braces"
		}
	}
	if open {
		return "does not close its brace"
	}
	return ""
}

// suggest names the nearest known word, or all of them.
func suggest(word string, known []string) string {
	best, distance := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := edits(word, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("Did you mean %q?", best)
	}
	return "Use one of: " + strings.Join(known, ", ") + "."
}

// edits counts the letters to insert, delete or replace between two words; words
// too long to be a slip are far apart.
func edits(a, b string) int {
	if len(a) > 60 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
