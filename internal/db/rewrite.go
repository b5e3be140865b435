package db

import (
	"strings"
	"sync"
	"sync/atomic"
)

var (
	rewritten      sync.Map // SQL text as written -> as SQLite wants it
	rewrittenCount atomic.Int64
)

// rewrittenLimit bounds the cache: statements are constants, but a caller that
// builds them (one parameter per list element) must not grow memory for ever.
const rewrittenLimit = 4096

// rewrite turns the parameters $1, $2, … into ?1, ?2, … and leaves string
// literals, quoted names and comments alone.
func rewrite(query string) string {
	if cached, ok := rewritten.Load(query); ok {
		if r, ok := cached.(string); ok {
			return r
		}
	}
	r := rewriteParameters(query)
	if rewrittenCount.Load() < rewrittenLimit {
		if _, loaded := rewritten.LoadOrStore(query, r); !loaded {
			rewrittenCount.Add(1)
		}
	}
	return r
}

func rewriteParameters(query string) string {
	var out strings.Builder
	out.Grow(len(query))
	for i := 0; i < len(query); {
		n := tokenLength(query[i:])
		token := query[i : i+n]
		if token[0] == '$' && n > 1 {
			out.WriteByte('?')
			token = token[1:]
		}
		out.WriteString(token)
		i += n
	}
	return out.String()
}

// tokenLength returns the length of the token that s, not empty, starts with: a
// literal, quoted name, comment, name, parameter or a single other byte.
func tokenLength(s string) int {
	switch c := s[0]; {
	case c == '\'' || c == '"':
		// A doubled quote inside reads as two literals in a row, which is as good.
		return upTo(s, 1, s[:1])
	case strings.HasPrefix(s, "--"):
		return upTo(s, 2, "\n")
	case strings.HasPrefix(s, "/*"):
		return upTo(s, 2, "*/")
	case c == '$':
		n := 1
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		if n < len(s) && isName(s[n]) {
			return 1
		}
		return n
	case isName(c):
		n := 1
		for n < len(s) && isName(s[n]) {
			n++
		}
		return n
	default:
		return 1
	}
}

// upTo returns the length of s up to and with the first end at or after from,
// or all of s.
func upTo(s string, from int, end string) int {
	if i := strings.Index(s[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(s)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isName(c byte) bool {
	return c == '_' || c == '$' || isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80
}
