package agent

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/fault"
)

// maxRead is what one read_file returns, in bytes.
const maxRead = 64 << 10

type readFileInput struct {
	Path   string `json:"path" jsonschema:"minLength=1" jsonschema_description:"Path from the top of the repository, with / between folders."`
	Offset int    `json:"offset,omitempty" jsonschema:"minimum=1" jsonschema_description:"The first line to return; 1 when left out."`
	Limit  int    `json:"limit,omitempty" jsonschema:"minimum=1" jsonschema_description:"How many lines to return; as many as fit when left out."`
}

// readFile returns the file's own text and nothing else, so that edit_file can
// be given what was read; only a part of a file is followed by a note.
func readFile(_ context.Context, env Env, in readFileInput) (Outcome, error) {
	data, err := readWorkspace(env, in.Path)
	if err != nil {
		return Outcome{}, err
	}
	if isBinary(data) {
		return Outcome{}, fault.Invalid("agent.binary", "%s is not a text file (%d bytes). Leave it, or look at it with run_command.", in.Path, len(data))
	}
	lines := strings.SplitAfter(string(data), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	first := max(in.Offset, 1)
	if first > len(lines) && in.Offset > 1 {
		return Outcome{}, fault.Invalid("agent.offset", "%s has %d lines, so none begins at %d.", in.Path, len(lines), first)
	}
	text, next := takeLines(lines, first, in.Limit)
	if next <= len(lines) {
		text += fmt.Sprintf("\n[%s has %d lines; this is %d to %d. Read on with offset %d.]", in.Path, len(lines), first, next-1, next)
	}
	return Outcome{Content: text}, nil
}

// takeLines returns whole lines from first (counted from 1) on, at most limit
// of them and maxRead bytes, and the number of the line that comes next. A
// single line longer than maxRead is cut.
func takeLines(lines []string, first, limit int) (text string, next int) {
	var b strings.Builder
	for next = first; next <= len(lines); next++ {
		if limit > 0 && next-first == limit {
			break
		}
		line := lines[next-1]
		if b.Len() > 0 && b.Len()+len(line) > maxRead {
			break
		}
		b.WriteString(cutEnd(line, maxRead))
	}
	return b.String(), next
}

// isBinary takes for text what is UTF-8 and has no NUL, as people do.
func isBinary(data []byte) bool {
	return !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0
}
