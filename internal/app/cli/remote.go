package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/app/client"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/secret"
)

// jsonFlag is what every command has that asks a server.
type jsonFlag struct {
	JSON bool `name:"json" help:"Print one JSON object, or one per line where it goes on; nobody is asked."`
}

// emit writes a line of JSON.
func (e *env) emit(v any) {
	line, err := json.Marshal(v)
	if err == nil {
		fmt.Fprintf(e.term.Out, "%s\n", line)
	}
}

// say writes a line for people, in which nothing steers the terminal, whoever
// wrote parts of it.
func (e *env) say(format string, args ...any) {
	fmt.Fprintln(e.term.Out, printable(fmt.Sprintf(format, args...)))
}

// note writes a line for people beside the result.
func (e *env) note(format string, args ...any) {
	fmt.Fprintln(e.term.Err, oneLine(fmt.Sprintf(format, args...)))
}

// failed is an error as --json shows it.
type failed struct {
	Error struct {
		Code    string         `json:"code"`
		Message string         `json:"message"`
		Details []fault.Detail `json:"details"`
		Request string         `json:"requestId,omitempty"`
	} `json:"error"`
}

func jsonError(err error) (out failed) {
	out.Error.Code, out.Error.Message, out.Error.Details = fault.CodeOf(err), fault.Public(err), []fault.Detail{}
	if f, ok := fault.As(err); ok {
		out.Error.Details = append(out.Error.Details, f.Details...)
	}
	var r *client.Refusal
	if errors.As(err, &r) {
		out.Error.Request = r.Request
	}
	return out
}

// printRefusal says what a server refused: the sentence, each wrong field or unmet
// condition with its next step, and the request, for whoever looks after the server.
func printRefusal(w io.Writer, r *client.Refusal) {
	f, _ := fault.As(r)
	fmt.Fprintf(w, "layercake: %s\n", oneLine(f.Message))
	for _, d := range f.Details {
		text := joined(d.Message, d.Next)
		if d.Field != "" && !strings.Contains(d.Message, d.Field) {
			text = d.Field + ": " + text
		}
		if !strings.Contains(f.Message, d.Message) || d.Next != "" && !strings.Contains(f.Message, d.Next) {
			fmt.Fprintf(w, "  - %s\n", oneLine(text))
		}
	}
	if r.Request != "" {
		fmt.Fprintf(w, "  (request %s)\n", oneLine(r.Request))
	}
}

// session says which server is meant, and as whom: what the environment says, else
// what layercake login keeps. again is what to do when the token has run out.
func (e *env) session() (s client.Session, again string, err error) {
	address, token, file := e.settings.ServerURL, e.settings.Token.Reveal(), e.settings.SessionFile()
	if address != "" {
		if address, err = client.Address(address); err != nil {
			return s, "", err
		}
	}
	switch {
	case token != "" && address == "":
		return s, "", fault.Invalid("session.environment", "LAYERCAKE_TOKEN is set, and LAYERCAKE_URL is not. Say which server the token is for, or unset it.")
	case token != "":
		return client.Session{URL: address, Token: token}, "The token in LAYERCAKE_TOKEN has run out or its session was ended. Get another one from " + address + ", or unset it and use `layercake login " + address + "`.", nil
	case file == "":
		return s, "", noFolder()
	}
	if s, err = client.Load(file); fault.KindOf(err) == fault.KindNotFound && address != "" {
		return s, "", fault.NotFound("session.none", "You are not logged in. Log in with: layercake login %s", address)
	}
	if err != nil {
		return s, "", err
	}
	if address != "" && address != s.URL {
		return s, "", fault.NotFound("session.none", "LAYERCAKE_URL names %s, and you are logged in to %s. Log in with: layercake login %s", address, s.URL, address)
	}
	return s, "Your session at " + s.URL + " has run out or was ended. Log in again: " + loginAgain(s), nil
}

func noFolder() error {
	return fault.Unavailable("session.folder", "There is no folder to keep a session in. Set HOME or XDG_CONFIG_HOME, or LAYERCAKE_URL and LAYERCAKE_TOKEN.")
}

// loginAgain is the exact command.
func loginAgain(s client.Session) string {
	out := "layercake login " + s.URL + " --email " + quoted(s.Email)
	if s.Insecure {
		out += " --insecure"
	}
	return out
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// remote is the server to ask.
func (e *env) remote() (*client.Client, error) {
	s, again, err := e.session()
	if err != nil {
		return nil, err
	}
	return client.New(client.Options{Address: s.URL, Token: secret.Text(s.Token), Again: again, Version: Version}), nil
}

// idLength is how much of an id people are shown: enough that no two are alike.
const idLength = len("prj_") + 16

func shortID(id string) string { return id[:min(len(id), idLength)] }

// shortIDs are the beginnings by which ids are told apart.
func shortIDs(ids []string) []string {
	n := idLength
	for ; ; n++ {
		seen, longest := map[string]bool{}, 0
		for _, id := range ids {
			seen[id[:min(len(id), n)]] = true
			longest = max(longest, len(id))
		}
		if len(seen) == len(ids) || n >= longest {
			break
		}
	}
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id[:min(len(id), n)]
	}
	return out
}

// findProject returns the one project that words name: by its id, its name, or the
// beginning of either. What is archived counts when nothing else fits.
func findProject(ctx context.Context, c *client.Client, words string) (api.ProjectRow, error) {
	var none api.ProjectRow
	if strings.TrimSpace(words) == "" {
		return none, fault.Invalid("project.empty", "Name a project: its id, its name, or the beginning of one. `layercake projects` lists them.")
	}
	var known []api.ProjectRow
	for _, look := range []struct {
		query    string
		archived bool
	}{{words, false}, {"", false}, {"", true}} {
		if look.query != "" && (strings.HasPrefix(words, "prj_") || len(words) > 200) {
			continue // the server looks for it in names and ideas
		}
		all, err := c.Projects(ctx, look.query, look.archived)
		if err != nil {
			return none, err
		}
		found := fitting(all, words)
		if len(found) == 1 {
			return found[0], nil
		}
		if len(found) > 1 {
			return none, fault.Invalid("project.several", "%q names %d projects: %s. Use more of the name, or the id of one.", words, len(found), someProjects(found))
		}
		known = append(known, all...)
	}
	if len(known) == 0 {
		return none, fault.NotFound("project.not_found", "There is no project on %s that you may see. Begin one there first.", c.Address)
	}
	return none, fault.NotFound("project.not_found", "There is no project %q on %s that you may see. There are: %s.", words, c.Address, someProjects(known))
}

// fitting are the projects that words fit best.
func fitting(all []api.ProjectRow, words string) []api.ProjectRow {
	lower := strings.ToLower(words)
	for _, fits := range []func(p api.ProjectRow) bool{
		func(p api.ProjectRow) bool { return p.ID == words },
		func(p api.ProjectRow) bool { return strings.EqualFold(p.Name, words) },
		func(p api.ProjectRow) bool {
			return strings.HasPrefix(p.ID, words) && len(words) > len("prj_") || strings.HasPrefix(strings.ToLower(p.Name), lower)
		},
	} {
		if found := slices.DeleteFunc(slices.Clone(all), func(p api.ProjectRow) bool { return !fits(p) }); len(found) > 0 {
			return found
		}
	}
	return nil
}

// someProjects lists a few projects and counts the rest.
func someProjects(all []api.ProjectRow) string {
	const few = 8
	seen := map[string]bool{}
	var names []string
	for _, p := range all {
		if !seen[p.ID] {
			seen[p.ID] = true
			names = append(names, shortID(p.ID)+" ("+oneLine(p.Name)+")")
		}
	}
	text := strings.Join(names[:min(len(names), few)], ", ")
	if n := len(names) - few; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// byBeginning returns the one row whose id is words or begins with them.
func byBeginning[T any](rows []T, words, noun string, id func(T) string) (found T, err error) {
	var ids []string
	for _, r := range rows {
		if id(r) == words {
			return r, nil
		}
		if strings.HasPrefix(id(r), words) && words != "" {
			found = r
			ids = append(ids, id(r))
		}
	}
	switch len(ids) {
	case 0:
		return found, fault.NotFound(noun+".not_found", "There is no %s that begins with %q.", noun, words)
	case 1:
		return found, nil
	}
	return found, fault.Invalid(noun+".several", "%q begins %d ids: %s. Use more of one.", words, len(ids), strings.Join(ids, ", "))
}

// readLine reads a line, and nothing after it: what comes next may be a password.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	got := make(chan line, 1)
	go func() {
		var text []byte
		one := make([]byte, 1)
		for {
			n, err := r.Read(one)
			if n > 0 && one[0] != '\n' {
				text = append(text, one[0])
			}
			if err != nil || n > 0 && one[0] == '\n' || len(text) > 1<<16 {
				got <- line{strings.TrimSuffix(string(text), "\r"), err}
				return
			}
		}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case l := <-got:
		if l.err == io.EOF && l.text != "" { //nolint:errorlint // a reader returns the value itself
			l.err = nil
		}
		return l.text, l.err
	}
}

// prompt asks for a line. Nothing means that the person left.
func (e *env) prompt(text string) (string, error) {
	fmt.Fprintf(e.term.Err, "%s ", text)
	got, err := readLine(e.ctx, e.term.In)
	if errors.Is(err, io.EOF) {
		fmt.Fprintln(e.term.Err)
		return "", nil
	}
	return strings.TrimSpace(got), err
}

// patience waits while a server is away, and says so once.
type patience struct {
	env   *env
	since time.Time
	pause time.Duration
}

// patient is how long a server may be away before a command gives up.
const patient = 2 * time.Minute

// over reports whether a request may be made again, after it has waited, and else
// why not. A good answer resets it.
func (p *patience) over(err error) error {
	if err == nil {
		if !p.since.IsZero() {
			p.env.note("The server answers again.")
		}
		p.since, p.pause = time.Time{}, 0
		return nil
	}
	after, ok := client.Passing(err)
	if !ok {
		return err
	}
	if p.since.IsZero() {
		p.since, p.pause = time.Now(), 125*time.Millisecond
		p.env.note("%s It is asked again for %s.", fault.Public(err), patient)
	}
	if time.Since(p.since) > patient {
		return err
	}
	p.pause = min(2*p.pause, 5*time.Second)
	return p.env.sleep(max(p.pause, after))
}

// sleep waits, and lets go when the command is told to stop.
func (e *env) sleep(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-e.ctx.Done():
		return e.ctx.Err()
	case <-t.C:
		return nil
	}
}

// again makes a request until the server answers, or the patience ends.
func again[T any](p *patience, ask func() (T, error)) (out T, err error) {
	for {
		out, err = ask()
		failed := err
		if err = p.over(failed); err != nil || failed == nil {
			return out, err
		}
	}
}
