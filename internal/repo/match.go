package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/fault"
)

// maxAlternatives bounds what the braces of one pattern may expand to.
const maxAlternatives = 256

// pattern is one alternative of a pattern, split at its slashes.
type pattern struct {
	exclude  bool
	segments []string
}

// Match says whether at least one of patterns matches path and none that
// begins with "!" does. A pattern matches the whole path: * is any text and ?
// any character within a segment, ** any number of segments, {a,b} either.
func Match(patterns []string, path string) bool {
	return matches(compile(patterns), path)
}

// Digest returns the SHA-256, in hex, over one line "path\0mode\0blob\n" per
// file that Match finds, sorted by path.
func Digest(files []File, patterns []string) string {
	compiled := compile(patterns)
	var found []File
	for _, f := range files {
		if matches(compiled, f.Path) {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, byPath)
	sum := sha256.New()
	for _, f := range found {
		_, _ = io.WriteString(sum, f.Path+"\x00"+f.Mode+"\x00"+f.Blob+"\n") // a hash never fails
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// CheckPattern says whether p is a pattern Match understands.
func CheckPattern(p string) error {
	bare := strings.TrimPrefix(p, "!")
	refuse := func(why string) error {
		return fault.Invalid("repo.pattern", "The pattern %q %s.", cut(p, 120), why)
	}
	switch {
	case bare == "":
		return refuse("is empty: name at least one path")
	case len(bare) > MaxPath || !utf8.ValidString(bare):
		return refuse("is too long or not UTF-8")
	case strings.HasPrefix(bare, "/") || strings.HasSuffix(bare, "/") || strings.Contains(bare, "//"):
		return refuse("has an empty segment: write paths relative to the top, and folder/** for all in a folder")
	case slices.Contains(strings.Split(bare, "/"), ".."):
		return refuse(`holds "..": patterns match paths from the top of the repository`)
	}
	depth := 0
	for _, c := range bare {
		switch c {
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth < 0 {
			break
		}
	}
	if depth != 0 {
		return refuse("has an unmatched brace")
	}
	if expand(bare) == nil {
		return refuse("has too many alternatives: write several patterns")
	}
	return nil
}

func compile(patterns []string) []pattern {
	var out []pattern
	for _, p := range patterns {
		bare, exclude := strings.CutPrefix(p, "!")
		for _, alternative := range expand(bare) {
			segments := strings.Split(alternative, "/")
			segments = slices.CompactFunc(segments, func(a, b string) bool { return a == "**" && b == "**" })
			out = append(out, pattern{exclude: exclude, segments: segments})
		}
	}
	return out
}

// expand resolves the braces of p; nil when there are too many alternatives.
func expand(p string) []string {
	todo, done := []string{p}, []string{}
	for len(todo) > 0 {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		head, choices, tail, ok := firstBraces(next)
		if !ok {
			done = append(done, next)
		}
		for _, c := range choices {
			todo = append(todo, head+c+tail)
		}
		if len(todo)+len(done) > maxAlternatives {
			return nil
		}
	}
	return done
}

// firstBraces splits p around its first balanced pair of braces.
func firstBraces(p string) (head string, choices []string, tail string, ok bool) {
	open := strings.IndexByte(p, '{')
	if open < 0 {
		return "", nil, "", false
	}
	depth, from := 0, open+1
	for i := open; i < len(p); i++ {
		switch p[i] {
		case '{':
			depth++
		case ',':
			if depth == 1 {
				choices = append(choices, p[from:i])
				from = i + 1
			}
		case '}':
			if depth--; depth == 0 {
				return p[:open], append(choices, p[from:i]), p[i+1:], true
			}
		}
	}
	return "", nil, "", false
}

func matches(patterns []pattern, path string) bool {
	segments := strings.Split(path, "/")
	found := false
	for _, p := range patterns {
		if (p.exclude || !found) && matchSegments(p.segments, segments) {
			if p.exclude {
				return false
			}
			found = true
		}
	}
	return found
}

// matchSegments goes back only to the last **, so its cost is bounded by the
// product of the two lengths.
func matchSegments(pattern, path []string) bool {
	p, s, star, mark := 0, 0, -1, 0
	for s < len(path) {
		switch {
		case p < len(pattern) && pattern[p] == "**":
			star, mark = p, s
			p++
		case p < len(pattern) && matchSegment(pattern[p], path[s]):
			p++
			s++
		case star >= 0:
			mark++
			p, s = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == "**" {
		p++
	}
	return p == len(pattern)
}

func matchSegment(pattern, name string) bool {
	p, s, star, mark := 0, 0, -1, 0
	for s < len(name) {
		_, size := utf8.DecodeRuneInString(name[s:])
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, s
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			s += size
		case p < len(pattern) && pattern[p] == name[s]:
			p++
			s++
		case star >= 0:
			_, size := utf8.DecodeRuneInString(name[mark:])
			mark += size
			p, s = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
