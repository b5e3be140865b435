package cli

import (
	"io"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

// maxRead bounds what is read to find out that it is too long for an idea.
const maxRead = 16 << 20

// readIdea returns the words of an idea: themselves, those of standard input
// for "-", or those of a file for "@FILE". One argument of a command holds at
// most 128 KiB on Linux.
func readIdea(e *env, words string) (string, error) {
	if file, ok := strings.CutPrefix(words, "@"); ok {
		data, err := readFile(file, maxRead)
		if f, ok := fault.As(err); ok {
			return "", fault.Invalid(f.Code, "%s @ before an idea names a file; begin the idea with a space when it really begins with @.", f.Message).Because(err)
		}
		return strings.TrimSpace(string(data)), err
	}
	if words != "-" {
		return words, nil
	}
	type input struct {
		data []byte
		err  error
	}
	got := make(chan input, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(e.term.In, maxRead+1))
		got <- input{data, err}
	}()
	select {
	case <-e.ctx.Done():
		return "", e.ctx.Err()
	case in := <-got:
		if in.err != nil || len(in.data) > maxRead {
			return "", fault.Invalid("idea.unreadable", "The idea cannot be read from standard input, or has more than %d bytes. Write it into a file and give @FILE.", maxRead).Because(in.err)
		}
		return strings.TrimSpace(string(in.data)), nil
	}
}
