package agent

import (
	"context"
	"fmt"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

type editFileInput struct {
	Path string `json:"path" jsonschema:"minLength=1" jsonschema_description:"Path from the top of the repository."`
	Old  string `json:"old" jsonschema:"minLength=1" jsonschema_description:"The exact text to replace, with enough around it that it occurs once."`
	New  string `json:"new" jsonschema_description:"What stands there afterwards; may be empty."`
}

func editFile(_ context.Context, env Env, in editFileInput) (Outcome, error) {
	data, err := readWorkspace(env, in.Path)
	if err != nil {
		return Outcome{}, err
	}
	text := string(data)
	switch places := occurrences(text, in.Old); {
	case in.Old == in.New:
		return Outcome{}, fault.Invalid("agent.edit", "Old and new text are the same, so there is nothing to edit in %s.", in.Path)
	case len(places) == 0:
		return Outcome{}, fault.Invalid("agent.edit", "The old text does not occur in %s. Read the file and copy it exactly, spaces and line ends included.%s", in.Path, nearMiss(text, in.Old))
	case len(places) > 1:
		return Outcome{}, fault.Invalid("agent.edit", "The old text occurs more than once in %s, at lines %s. Add what stands around it.", in.Path, joinSome(places))
	}
	edited := strings.Replace(text, in.Old, in.New, 1)
	if err := writeWorkspace(env, in.Path, edited); err != nil {
		return Outcome{}, err
	}
	line := 1 + strings.Count(text[:strings.Index(text, in.Old)], "\n")
	return Outcome{Content: fmt.Sprintf("edited %s at line %d", in.Path, line)}, nil
}

// occurrences returns the lines at which old begins in text, overlapping ones
// too: each of them is a place that could be meant.
func occurrences(text, old string) []int {
	var lines []int
	line := 1
	for from := 0; ; {
		i := strings.Index(text[from:], old)
		if i < 0 {
			return lines
		}
		line += strings.Count(text[from:from+i], "\n")
		lines = append(lines, line)
		if len(lines) == 20 {
			return lines
		}
		if text[from+i] == '\n' {
			line++
		}
		from += i + 1
	}
}

// nearMiss tells the most frequent reason why a text is not found.
func nearMiss(text, old string) string {
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	switch {
	case strings.Contains(text, "\r\n") && !strings.Contains(old, "\r\n") && strings.Contains(strings.ReplaceAll(text, "\r\n", "\n"), old):
		return " Its lines end with a carriage return."
	case strings.Contains(squeeze(text), squeeze(old)):
		return " It is there with other spaces or line ends."
	default:
		return ""
	}
}

func joinSome(lines []int) string {
	words := make([]string, 0, len(lines))
	for _, line := range lines {
		words = append(words, fmt.Sprint(line))
	}
	return strings.Join(words, ", ")
}
