package cli

import (
	"context"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/run"
)

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
	case "open":
		return false, d.open(ctx, o, rest)
	case "diff":
		return false, d.diff(ctx, o, b, rest)
	case "design":
		return false, d.design(s, a, rest)
	case "promise":
		return false, d.promise(o, s, a, rest)
	case "reject":
		return d.reject(ctx, o, s, rest)
	case "reopen", "budget", "cancel":
		return d.always(ctx, o, word, rest)
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

// reject sends a stop back. Where it covers several gates, and the words name
// none, the person is asked whose work has to be done again.
func (d *desk) reject(ctx context.Context, o *flow.Overview, s flow.Stop, words string) (bool, error) {
	code, comment := target(words)
	if err := project.CheckIdea("comment", comment); err != nil {
		return false, err
	}
	if code == "" && len(s.Views) > 1 {
		d.say("Which gate has to do its work again?")
		for _, v := range s.Views {
			d.say("  %s  %s: %s", v.Code, v.Spec.Name, v.Spec.Purpose)
		}
		d.say("Type its code, or that of an earlier gate; anything else goes back.")
		typed, ok, err := d.prompt(ctx, "gate>")
		if err != nil || !ok {
			return false, err
		}
		if code = strings.ToUpper(typed); o.Gate(code) == nil {
			d.say("Nothing was sent back.")
			return false, nil
		}
	}
	return true, d.app.Flow.Reject(ctx, d.by, o.Project.ID, s.Code(), code, comment)
}

// always does what can be said at every gate.
func (d *desk) always(ctx context.Context, o *flow.Overview, word, rest string) (bool, error) {
	switch strings.ToLower(word) {
	case "reopen":
		code, comment := target(rest)
		if code == "" {
			return false, fault.Invalid("reopen.form", "Write it as: reopen G3: what has to change")
		}
		return true, d.app.Flow.Reopen(ctx, d.by, o.Project.ID, code, comment)
	case "budget":
		micro, err := flow.ParseUSD(rest)
		if err != nil {
			return false, err
		}
		if micro > 0 && d.app.Model.Info().Price == nil {
			return false, fault.Invalid("budget.price", "A budget in money needs a model of known price, and that of %s is unknown.", d.app.Model.Info().Label)
		}
		if err := d.app.Flow.SetBudget(ctx, d.by, o.Project.ID, micro); err != nil {
			return false, err
		}
		d.say("%s", capped(micro))
		return true, nil
	}
	if rest == "" {
		return false, fault.Invalid("cancel.form", "Write it as: cancel REASON, in a sentence why this change is given up")
	}
	name := oneLine(o.Project.Name)
	d.say("This ends change %d for good; what was merged stays. Type the project's name, %s, to confirm; anything else goes back.", o.Change.Number, name)
	typed, ok, err := d.prompt(ctx, "name>")
	if err != nil || !ok {
		return false, err
	}
	if typed != name {
		d.say("Nothing was cancelled.")
		return false, nil
	}
	return true, d.app.Flow.CancelChange(ctx, d.by, o.Project.ID, rest)
}

func capped(micro int64) string {
	if micro == 0 {
		return "The project has no cap any more."
	}
	return "The project's cap is " + run.USD(micro) + "."
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
	where := ""
	if path != "" {
		paths, where = append(paths, path), " in "+path
	}
	text, err := d.app.Repos.Repo(o.Project.ID).Diff(ctx, b.Since, o.Project.Head, paths...)
	if err != nil {
		return err
	}
	if strings.TrimSpace(text) == "" {
		d.say("Nothing changed%s since the last decision.", where)
		return nil
	}
	d.say("%s", text)
	return nil
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

func (d *desk) promise(o *flow.Overview, s flow.Stop, a *flow.Approval, rest string) error {
	if strings.EqualFold(rest, "none") {
		a.Conditions = nil
		d.say("Nothing is attached any more.")
		return nil
	}
	before, text, ok := strings.Cut(rest, ":")
	fields := strings.Fields(before)
	if !ok || len(fields) < 2 {
		return fault.Invalid("promise.form", "Write it as: promise G7 OWNER: what must happen")
	}
	p := flow.Promise{Due: strings.ToUpper(fields[0]), Owner: strings.Join(fields[1:], " "), Text: strings.TrimSpace(text)}
	if err := o.CheckPromise(s, p); err != nil {
		return err
	}
	a.Conditions = append(a.Conditions, p)
	d.say("Attached. Type approve to decide, or promise none to drop it.")
	return nil
}
