package proof

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// MaxLog is how many bytes of a check's log are kept: the first and the last
// half, when there is more.
const MaxLog = 1 << 20

// recorder keeps the head and the tail of what a check and its commands print.
type recorder struct {
	mu    sync.Mutex
	head  []byte
	tail  []byte
	total int64
}

// Write never fails.
func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(p)
	r.total += int64(n)
	if room := MaxLog/2 - len(r.head); room > 0 {
		take := min(room, len(p))
		r.head = append(r.head, p[:take]...)
		p = p[take:]
	}
	r.tail = append(r.tail, p...)
	// Cutting at twice the size keeps the copying linear.
	if len(r.tail) > MaxLog {
		r.tail = append(r.tail[:0], r.tail[len(r.tail)-MaxLog/2:]...)
	}
	return n, nil
}

// say writes one line of the platform's own.
func (r *recorder) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r, format+"\n", args...)
}

// bytes returns what was kept, as valid UTF-8 without terminal sequences.
func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	tail := r.tail
	if len(tail) > MaxLog/2 {
		tail = tail[len(tail)-MaxLog/2:]
	}
	out := append([]byte(nil), r.head...)
	if cut := r.total - int64(len(r.head)) - int64(len(tail)); cut > 0 {
		out = fmt.Appendf(out, "\n… %d bytes left out …\n", cut)
	}
	return clean(append(out, tail...))
}

var terminal = regexp.MustCompile("\u009b[0-?]*[ -/]*[@-~]|\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|[@-Z\\\\-_])")

// clean strips terminal sequences, control characters and what changes the
// direction of writing, so that a log shows what was printed and nothing can
// hide in it.
func clean(text []byte) []byte {
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	if bytes.IndexByte(text, 0x1b) >= 0 || bytes.Contains(text, []byte("\u009b")) {
		text = terminal.ReplaceAll(text, nil)
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	return bytes.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return '\n'
		case r < ' ' || r >= 0x7f && r <= 0x9f || unicode.Is(unicode.Bidi_Control, r):
			return -1
		default:
			return r
		}
	}, text)
}

// firstLine returns the first line of text that says something, cut to a
// length that fits a reason.
func firstLine(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "$ ") {
			return shorten(line, 300)
		}
	}
	return "no output"
}

// shorten cuts text after n bytes, between characters.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// list names up to six things for a sentence.
func list(names []string) string {
	if len(names) > 6 {
		return strings.Join(names[:6], ", ") + fmt.Sprintf(" and %d more", len(names)-6)
	}
	return strings.Join(names, ", ")
}
