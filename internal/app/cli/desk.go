package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

// lines reads what a person types, one line at a time, and lets go when the
// context ends.
type lines struct{ got chan line }

type line struct {
	text string
	err  error
}

func newLines(r io.Reader) *lines {
	l := &lines{got: make(chan line)}
	go func() {
		in := bufio.NewReader(r)
		for {
			text, err := in.ReadString('\n')
			l.got <- line{strings.TrimRight(text, "\r\n"), err}
			if err != nil {
				return
			}
		}
	}()
	return l
}

func (l *lines) next(ctx context.Context) (string, error) {
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case got := <-l.got:
		if got.err != nil && got.text == "" {
			return "", got.err
		}
		return got.text, nil
	}
}

// desk is a person at the terminal.
type desk struct {
	env   *env
	app   *app.App
	by    gate.Decider
	view  *view
	lines *lines
	gone  bool // the person closed the input: the rest waits
}

// say prints text in which nothing steers the terminal, whoever wrote parts of it.
func (d *desk) say(format string, args ...any) {
	fmt.Fprintln(d.env.term.Out, printable(fmt.Sprintf(format, args...)))
}

// prompt asks for one line. An end of input means that the person left.
func (d *desk) prompt(ctx context.Context, text string) (string, bool, error) {
	if d.gone {
		return "", false, nil
	}
	d.view.clear()
	fmt.Fprintf(d.env.term.Out, "%s ", text)
	got, err := d.lines.next(ctx)
	if ctx.Err() != nil {
		return "", false, ctx.Err()
	}
	if err != nil {
		d.gone = true
		d.say("")
		return "", false, nil
	}
	return strings.TrimSpace(got), true, nil
}

const decideHelp = `Type one of:
  approve                    approve (also: approved, yes, accept, lgtm)
  approve with TEXT          approve and give your comment
  reject COMMENT             send it back; say what has to change
  reject G3: COMMENT         send that gate back, one of these or an earlier one
  design N                   choose design N, then approve
  open PATH                  read a document, or get the address of a page such as a design
  diff [PATH]                see what changed since the last decision
  promise G7 OWNER: TEXT     attach a condition that is due at a later gate, then approve
  promise none               drop what you attached
  later                      leave it open; the same command asks again
` + alwaysHelp

// alwaysHelp is what can be said at a gate and when something is blocked.
const alwaysHelp = `At any time:
  reopen G3: COMMENT         take the decision on an approved gate back; say what has to change
  budget 5.00                set the hard cap of the project, in USD
  cancel REASON              give this change up; you are asked again
  help                       this list`

// Decide shows the brief and reads what the person says, until it is a decision.
func (d *desk) Decide(ctx context.Context, o *flow.Overview, s flow.Stop) (bool, error) {
	if d.gone {
		return false, nil
	}
	brief, err := d.app.Flow.Brief(ctx, o, s)
	if err != nil {
		return false, err
	}
	d.view.clear()
	d.say("\n%s", brief.Markdown())
	d.say("%s", decideHelp)
	var a flow.Approval
	return d.ask(ctx, s.Title()+">", func(text string) (bool, error) { return d.decide(ctx, o, s, brief, &a, text) })
}

// ask reads lines until one moved something or the person leaves. What a line
// got wrong is said, and the next one is read.
func (d *desk) ask(ctx context.Context, prompt string, act func(text string) (bool, error)) (bool, error) {
	for {
		text, ok, err := d.prompt(ctx, prompt)
		if err != nil || !ok {
			return false, err
		}
		switch strings.ToLower(text) {
		case "later", "quit", "exit":
			d.gone = true
			return false, nil
		}
		done, err := act(text)
		switch fault.KindOf(err) {
		case fault.KindInvalid, fault.KindNotFound, fault.KindTooLarge, fault.KindForbidden:
			d.explain(err)
			continue
		case fault.KindConflict:
			d.explain(err) // the next look shows how things are now
			return done, err
		}
		if done || err != nil || d.gone {
			return done, err
		}
	}
}

// explain says what a line got wrong, with every detail.
func (d *desk) explain(err error) {
	f, ok := fault.As(err)
	d.say("%s", fault.Public(err))
	if !ok || f.Code != "gate.unmet" {
		return // the details of the others are in their message
	}
	for _, x := range f.Details {
		d.say("  - %s", oneLine(joined(x.Message, x.Next)))
	}
}

// Answer asks the person what an agent wants to know.
func (d *desk) Answer(ctx context.Context, o *flow.Overview, q project.Question) (bool, error) {
	if d.gone {
		return false, nil
	}
	d.view.clear()
	d.say("")
	d.question(q)
	return d.ask(ctx, "answer>", func(text string) (bool, error) {
		switch strings.ToLower(text) {
		case "help", "?":
			d.question(q)
			return false, nil
		}
		err := d.app.Flow.Answer(ctx, d.by, q.ID, answer(q, text))
		return err == nil, err
	})
}

// answer is what a line says to a question: the option of that number, on an
// empty line the suggestion, or the line itself.
func answer(q project.Question, text string) string {
	if text == "" {
		return q.Suggestion
	}
	for i, option := range q.Options {
		if text == strconv.Itoa(i+1) {
			return option
		}
	}
	return text
}

func (d *desk) question(q project.Question) {
	d.say("%s asks: %s", q.Gate, oneLine(q.Text))
	for i, option := range q.Options {
		d.say("  %d  %s", i+1, oneLine(option))
	}
	if q.Suggestion != "" {
		d.say("  Enter alone takes: %s", oneLine(q.Suggestion))
	}
	d.say("  later leaves it open; help asks again")
}
