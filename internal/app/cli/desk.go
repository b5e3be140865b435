package cli

import (
	"bufio"
	"context"
	"fmt"
	"html"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/db"
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
  reject G3: COMMENT         send it back to an earlier gate
  design N                   choose design N, then approve
  open PATH                  read a document, or get the address of a page such as a design
  diff [PATH]                see what changed since the last decision
  promise G7 OWNER: TEXT     attach a condition that is due at a later gate, then approve
  later                      leave it open; the same command asks again`

// Decide shows the brief and reads what the person says, until it is a decision.
func (d *desk) Decide(ctx context.Context, o *flow.Overview, s flow.Stop) (bool, error) {
	brief, err := d.app.Flow.Brief(ctx, o, s)
	if err != nil {
		return false, err
	}
	if d.gone {
		return false, nil
	}
	d.view.clear()
	d.say("\n%s", brief.Markdown())
	d.say("%s", decideHelp)
	var a flow.Approval
	for {
		text, ok, err := d.prompt(ctx, s.Title()+">")
		if err != nil || !ok {
			return false, err
		}
		done, err := d.decide(ctx, o, s, brief, &a, text)
		if fault.KindOf(err) == fault.KindInvalid || fault.KindOf(err) == fault.KindNotFound {
			d.say("%s", fault.Public(err))
			continue
		}
		if done || err != nil {
			return done, err
		}
		if d.gone {
			return false, nil
		}
	}
}

// decide does what one line says. It reports whether the gate was decided.
func (d *desk) decide(ctx context.Context, o *flow.Overview, s flow.Stop, b flow.Brief, a *flow.Approval, text string) (bool, error) {
	word, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(word) {
	case "":
		return false, nil
	case "help", "?":
		d.say("%s", decideHelp)
		return false, nil
	case "later", "quit", "exit":
		d.gone = true
		return false, nil
	case "open":
		return false, d.open(ctx, o, rest)
	case "diff":
		return false, d.diff(ctx, o, b, rest)
	case "design":
		return false, d.design(s, a, rest)
	case "promise":
		return false, d.promise(a, rest)
	case "reject":
		code, comment := target(rest)
		return true, d.app.Flow.Reject(ctx, d.by, o.Project.ID, s.Code(), code, comment)
	}
	if comment, ok := strings.CutPrefix(rest, "with "); ok && gate.ReadWord(word) == gate.WordApprove {
		a.Comment = comment
		text = word
	}
	if gate.ReadWord(text) != gate.WordApprove {
		d.say("That is neither an approval nor a rejection. Type approve, or reject with a comment, or help.")
		return false, nil
	}
	_, err := d.app.Flow.Approve(ctx, d.by, o.Project.ID, s.Code(), *a)
	return err == nil, err
}

// target splits "G3: comment" off a rejection.
func target(rest string) (code, comment string) {
	before, after, ok := strings.Cut(rest, ":")
	before = strings.ToUpper(strings.TrimSpace(before))
	if ok && len(before) == 2 && before[0] == 'G' && before[1] >= '0' && before[1] <= '9' {
		return before, strings.TrimSpace(after)
	}
	return "", rest
}

func (d *desk) open(ctx context.Context, o *flow.Overview, path string) error {
	if path == "" {
		return fault.Invalid("open.path", "Say which document, for example: open docs/PRD.md")
	}
	content, err := d.app.Repos.Repo(o.Project.ID).Read(ctx, o.Project.Head, path)
	if err != nil {
		return err
	}
	if filepath.Ext(path) == ".html" {
		return d.show(o, path, content)
	}
	d.say("%s", content)
	return nil
}

// show puts a page where a browser can open it: in a frame that may run no script,
// load nothing and go nowhere, whatever its author wrote.
func (d *desk) show(o *flow.Overview, path string, content []byte) error {
	file := filepath.Join(d.app.Settings.Data, "opened", o.Project.ID, o.Project.Head, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fault.Unavailable("open.folder", "The page cannot be saved in %s. Make room in the data folder.", filepath.Dir(file)).Because(err)
	}
	const before = `<!doctype html>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>A page that an agent wrote</title>
<style>body { margin: 0 } iframe { border: 0; display: block; width: 100vw; height: 100vh }</style>
<iframe sandbox title="The page" srcdoc="`
	if err := os.WriteFile(file, []byte(before+html.EscapeString(string(content))+"\"></iframe>\n"), 0o600); err != nil {
		return fault.Unavailable("open.file", "The page cannot be saved as %s. Make room in the data folder.", file).Because(err)
	}
	d.say("Open it in a browser: %s", (&url.URL{Scheme: "file", Path: filepath.ToSlash(file)}).String())
	return nil
}

func (d *desk) diff(ctx context.Context, o *flow.Overview, b flow.Brief, path string) error {
	var paths []string
	if path != "" {
		paths = append(paths, path)
	}
	text, err := d.app.Repos.Repo(o.Project.ID).Diff(ctx, b.Since, o.Project.Head, paths...)
	if err != nil {
		return err
	}
	d.say("%s", text)
	return nil
}

// printable takes what could steer the terminal out of text that agents wrote.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '�'
		}
		return r
	}, text)
}

// oneLine is printable text that cannot pass for a line of somebody else's.
func oneLine(text string) string {
	return printable(strings.Join(strings.Fields(text), " "))
}

func (d *desk) design(s flow.Stop, a *flow.Approval, words string) error {
	for _, v := range s.Views {
		if len(v.Designs) == 0 {
			continue
		}
		chosen, err := project.Pick(v.Designs, words)
		if err != nil {
			return err
		}
		a.Design = chosen.ID
		d.say("Design %d, %s, is chosen. Type approve to decide.", chosen.Number, oneLine(chosen.Title))
		return nil
	}
	return fault.Invalid("design.none", "There is no design to choose at this gate.")
}

func (d *desk) promise(a *flow.Approval, rest string) error {
	before, text, ok := strings.Cut(rest, ":")
	fields := strings.Fields(before)
	if !ok || len(fields) < 2 {
		return fault.Invalid("promise.form", "Write it as: promise G7 OWNER: what must happen")
	}
	a.Conditions = append(a.Conditions, flow.Promise{Due: strings.ToUpper(fields[0]), Owner: strings.Join(fields[1:], " "), Text: strings.TrimSpace(text)})
	d.say("Attached. Type approve to decide.")
	return nil
}

// Answer asks the person what an agent wants to know.
func (d *desk) Answer(ctx context.Context, o *flow.Overview, q project.Question) (bool, error) {
	if d.gone {
		return false, nil
	}
	d.view.clear()
	d.say("\n%s asks: %s", q.Gate, oneLine(q.Text))
	for i, option := range q.Options {
		d.say("  %d  %s", i+1, oneLine(option))
	}
	if q.Suggestion != "" {
		d.say("  Enter alone takes: %s", oneLine(q.Suggestion))
	}
	for {
		text, ok, err := d.prompt(ctx, "answer>")
		if err != nil || !ok {
			return false, err
		}
		if text == "" {
			text = q.Suggestion
		}
		for i, option := range q.Options {
			if text == fmt.Sprint(i+1) {
				text = option
			}
		}
		err = d.app.Flow.Answer(ctx, d.by, q.ID, text)
		if fault.KindOf(err) == fault.KindInvalid {
			d.say("%s", fault.Public(err))
			continue
		}
		return err == nil, err
	}
}

const unblockHelp = `Type one of:
  resolve TEXT                             say how the blocker was removed; agents try again
  rerun                                    run the checks again, because what they lacked is there now
  reject COMMENT                           send the gate back to its agents
  waive RULE SUBJECT until YYYY-MM-DD: WHY set a rule aside (rules: proof, deliverable, coverage, blocker, condition)
  met TEXT                                 say how the condition that is due was met
  confirm TEXT                             confirm that you tried the deployment and that it works (G9)
  later                                    leave it open; the same command asks again`

// Unblock asks the person to remove what keeps the change from going on.
func (d *desk) Unblock(ctx context.Context, o *flow.Overview) (bool, error) {
	unmet := o.Unmet()
	if d.gone || len(unmet) == 0 {
		return false, nil
	}
	d.view.clear()
	d.say("\n%s cannot go on:", unmet[0].Gate)
	for _, u := range unmet {
		d.say("  - %s. %s", oneLine(u.Message), oneLine(u.Next))
	}
	d.say("%s", unblockHelp)
	for {
		text, ok, err := d.prompt(ctx, unmet[0].Gate+">")
		if err != nil || !ok {
			return false, err
		}
		acted, err := d.unblock(ctx, o, unmet, text)
		if fault.KindOf(err) == fault.KindInvalid || fault.KindOf(err) == fault.KindNotFound {
			d.say("%s", fault.Public(err))
			continue
		}
		if acted || err != nil || d.gone {
			return acted, err
		}
	}
}

func (d *desk) unblock(ctx context.Context, o *flow.Overview, unmet []gate.UnmetCondition, text string) (bool, error) {
	word, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	code, id := unmet[0].Gate, o.Project.ID
	switch strings.ToLower(word) {
	case "later", "quit", "exit":
		d.gone = true
		return false, nil
	case "rerun":
		return true, d.app.Flow.Rerun(ctx, d.by, id, code)
	case "reject":
		to, comment := target(rest)
		return true, d.app.Flow.Reject(ctx, d.by, id, code, to, comment)
	case "waive":
		w, err := d.waiver(code, rest)
		if err != nil {
			return false, err
		}
		_, err = d.app.Flow.Waive(ctx, d.by, id, w)
		return true, err
	case "confirm":
		return true, d.app.Flow.Confirm(ctx, d.by, id, code, rest)
	case "resolve":
		return d.each(unmet, "blocker.open", func(subject string) error { return d.app.Flow.ResolveBlocker(ctx, d.by, id, code, subject, rest) })
	case "met":
		return d.each(unmet, "condition.open", func(subject string) error { return d.app.Flow.ResolveCondition(ctx, d.by, id, code, subject, rest) })
	}
	d.say("%s", unblockHelp)
	return false, nil
}

func (d *desk) each(unmet []gate.UnmetCondition, code string, fn func(subject string) error) (bool, error) {
	acted := false
	for _, u := range unmet {
		if u.Code != code {
			continue
		}
		if err := fn(u.Subject); err != nil {
			return acted, err
		}
		acted = true
	}
	if !acted {
		return false, fault.Invalid("unblock.none", "There is nothing of that kind to settle here.")
	}
	return true, nil
}

func (d *desk) waiver(code, rest string) (gate.Waiver, error) {
	before, reason, ok := strings.Cut(rest, ":")
	what, until, dated := strings.Cut(before, " until ")
	expires, err := time.ParseInLocation(time.DateOnly, strings.TrimSpace(until), time.Local)
	fields := strings.Fields(what)
	if !ok || !dated || err != nil || len(fields) == 0 || len(fields) > 2 {
		return gate.Waiver{}, fault.Invalid("waive.form", "Write it as: waive proof lint_output until 2030-01-31: why it may be set aside")
	}
	w := gate.Waiver{Code: code, Rule: fields[0], Owner: d.by.Actor.ID, Reason: strings.TrimSpace(reason), ExpiresAt: db.Time{Time: expires.Add(24 * time.Hour)}}
	if len(fields) == 2 {
		w.Subject = fields[1]
	}
	return w, nil
}
