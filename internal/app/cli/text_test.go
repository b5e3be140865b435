package cli

import (
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
)

// Text that agents wrote moves no cursor, turns no direction and begins no line
// of its own.
func TestTextCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	got := oneLine("a\x1b[2J\nG9  approved\r\u202eb\u009b1m")
	if strings.ContainsAny(got, "\x1b\n\r\u202e\u009b") || !strings.HasPrefix(got, "a") {
		t.Errorf("%q", got)
	}
}

// A message and its next step make sentences, and nothing is said twice.
func TestMessagesReadWell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ message, next, want string }{
		{"Who is it for?", "Answer it.", "Who is it for? Answer it."},
		{"it is missing", "Write it.", "it is missing. Write it."},
		{"It is done.", "", "It is done."},
		{"", "Wait.", "Wait."},
	} {
		if got := joined(c.message, c.next); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
	var said strings.Builder
	printError(&said, fault.Invalid("x", "The waiver is incomplete: no owner; no reason.").WithDetails(fault.Detail{Message: "no owner", Next: "Name one."}, fault.Detail{Message: "no reason"}))
	if want := "layercake: The waiver is incomplete:\n  - no owner. Name one.\n  - no reason.\n"; said.String() != want {
		t.Errorf("%q, not %q", said.String(), want)
	}
}
