package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/app/client"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
)

type projectsCmd struct {
	jsonFlag

	Query    string `help:"Only projects with these words in their name or idea." placeholder:"WORDS"`
	Archived bool   `help:"Those that were put away, and only those."`
}

// projectLine is a project in the list.
type projectLine struct {
	api.ProjectRow
	Sentence string `json:"sentence"`
}

// Run lists the projects: two lists of the server, however many there are.
func (c *projectsCmd) Run(e *env) error {
	e.json = c.JSON
	remote, err := e.remote()
	if err != nil {
		return err
	}
	defer remote.Close()
	all, err := remote.Projects(e.ctx, c.Query, c.Archived)
	if err != nil {
		return err
	}
	inbox, err := remote.Inbox(e.ctx)
	if err != nil {
		return err
	}
	lines, ids := []projectLine{}, []string{}
	for _, p := range all {
		lines, ids = append(lines, projectLine{p, inShort(p, inbox)}), append(ids, p.ID)
	}
	if c.JSON {
		e.emit(struct {
			Projects []projectLine `json:"projects"`
		}{lines})
		return nil
	}
	if len(lines) == 0 {
		e.say("There is no such project on %s that you may see.", remote.Address)
		return nil
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tID\tGATES\tSTATUS")
	short := shortIDs(ids)
	for i, p := range lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", shortened(p.Name, 32), short[i], progress(p.Gates), shortened(p.Sentence, 100))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	e.say("%s", strings.TrimRight(table.String(), "\n"))
	return nil
}

// shortened is a text on one line that nothing in steers the terminal.
func shortened(text string, limit int) string { return oneLine(short(text, limit)) }

// progress counts the gates that are behind a project.
func progress(gates []api.GateMark) string {
	n := 0
	for _, g := range gates {
		if settled(g) {
			n++
		}
	}
	return fmt.Sprintf("%d/%d", n, len(gates))
}

func settled(g api.GateMark) bool {
	return g.Status == gate.Skipped || g.Status == gate.Approved && !g.Stale
}

// inShort is where a project stands, as far as the two lists say.
func inShort(p api.ProjectRow, inbox []flow.Waiting) string {
	switch {
	case !p.ArchivedAt.IsZero():
		return "Archived."
	case p.Paused:
		return "Paused."
	}
	for _, w := range inbox {
		if w.Project == p.ID && w.Kind != flow.WaitsMention {
			return waitingText(w)
		}
	}
	for _, g := range p.Gates {
		if !settled(g) {
			stale := ""
			if g.Stale {
				stale = ", stale"
			}
			return fmt.Sprintf("At %s (%s%s).", g.Code, g.Status, stale)
		}
	}
	return "All gates are passed."
}

// waitingText is what waits, with its gate.
func waitingText(w flow.Waiting) string {
	if w.Gate == "" || strings.HasPrefix(w.Text, w.Gate) || w.Kind == flow.WaitsDecision {
		return w.Text
	}
	return w.Gate + " " + w.Kind + ": " + w.Text
}

type statusCmd struct {
	jsonFlag

	Project string        `arg:"" optional:"" help:"Name or id of a project, or the beginning of one; what waits for you in all of them when left out."`
	Watch   bool          `short:"w" help:"Ask again until something waits for a person (exit code 3) or the change ends (0, or 1 when it was cancelled)."`
	Every   time.Duration `default:"2s" help:"With --watch: how often."`
}

// standing is where a project stands, as status shows it.
type standing struct {
	Project   api.ProjectState   `json:"project"`
	Gates     []api.GateState    `json:"gates"`
	Questions []project.Question `json:"questions"`
	Waiting   []flow.Waiting     `json:"waiting"`
	Next      string             `json:"next"`
}

// minEvery is how often a server may be asked.
const minEvery = 200 * time.Millisecond

// Run says where a project stands.
func (c *statusCmd) Run(e *env) error {
	e.json = c.JSON
	if c.Every < minEvery {
		return fault.Invalid("status.every", "--every %s is too often. Give at least %s.", c.Every, minEvery)
	}
	remote, err := e.remote()
	if err != nil {
		return err
	}
	defer remote.Close()
	if c.Project == "" {
		return c.inbox(e, remote)
	}
	p, err := findProject(e.ctx, remote, c.Project)
	if err != nil {
		return err
	}
	if c.Watch {
		return c.watch(e, remote, p.ID)
	}
	s, err := stand(e, remote, p.ID)
	if err != nil {
		return err
	}
	c.show(e, s)
	return nil
}

// inbox shows what waits for the person, and with --watch waits until there is
// something.
func (c *statusCmd) inbox(e *env, remote *client.Client) error {
	wait := &patience{env: e}
	for {
		all, err := again(wait, func() ([]flow.Waiting, error) { return remote.Inbox(e.ctx) })
		if err != nil {
			return err
		}
		// A mention that was read stays in the list, and keeps nobody waiting.
		waits := slices.ContainsFunc(all, func(w flow.Waiting) bool { return w.Kind != flow.WaitsMention || !w.Read })
		if waits || !c.Watch {
			c.list(e, all)
			if c.Watch {
				return exit(ExitWaiting)
			}
			return nil
		}
		if err := e.sleep(c.Every); err != nil {
			return err
		}
	}
}

func (c *statusCmd) list(e *env, all []flow.Waiting) {
	if c.JSON {
		e.emit(struct {
			Waiting []flow.Waiting `json:"waiting"`
		}{append([]flow.Waiting{}, all...)})
		return
	}
	if len(all) == 0 {
		e.say("Nothing waits for you.")
	}
	for _, w := range all {
		e.say("%s: %s", shortened(w.ProjectName, 60), oneLine(waitingText(w)))
		if do := nextOf(w); do != "" {
			e.say("    %s", do)
		}
	}
}

// nextOf is the command that settles what waits.
func nextOf(w flow.Waiting) string {
	switch w.Kind {
	case flow.WaitsDecision:
		return fmt.Sprintf("layercake decide %s %s", shortID(w.Project), oneLine(w.Gate))
	case flow.WaitsQuestion, flow.WaitsBudget:
		return fmt.Sprintf("layercake answer %s %s", shortID(w.Project), shortID(w.Ref))
	case flow.WaitsFailure:
		return fmt.Sprintf("layercake status %s", shortID(w.Project))
	}
	return ""
}

// stand asks for everything about where a project stands, once more when it moved
// between two of the answers.
func stand(e *env, remote *client.Client, id string) (standing, error) {
	const looks = 3
	for n := 1; ; n++ {
		s, still, err := standOnce(e, remote, id)
		if err != nil || still || n == looks {
			return s, err
		}
	}
}

// standOnce is one attempt of stand; still says that the project stood still meanwhile.
func standOnce(e *env, remote *client.Client, id string) (s standing, still bool, err error) {
	before, err := remote.Project(e.ctx, id)
	if err != nil {
		return s, false, err
	}
	if s.Gates, err = remote.Gates(e.ctx, id); err != nil {
		return s, false, err
	}
	questions, err := remote.Questions(e.ctx, id)
	if err != nil {
		return s, false, err
	}
	inbox, err := remote.Inbox(e.ctx)
	if err != nil {
		return s, false, err
	}
	if s.Project, err = remote.Project(e.ctx, id); err != nil {
		return s, false, err
	}
	s.Questions, s.Waiting = openOnes(questions), []flow.Waiting{}
	for _, w := range inbox {
		if w.Project == id {
			s.Waiting = append(s.Waiting, w)
		}
	}
	s.Next = s.next()
	return s, before.Sentence == s.Project.Sentence, nil
}

func openOnes(all []project.Question) []project.Question {
	return slices.DeleteFunc(append([]project.Question{}, all...), func(q project.Question) bool { return q.Status != "open" })
}

// ended reports whether nothing more happens to the change.
func (s standing) ended() bool { return s.Project.Change.Status != project.ChangeOpen }

// waits reports whether a person is needed before the change goes on.
func (s standing) waits() bool {
	if s.ended() {
		return false
	}
	return !s.Project.Busy || len(s.Questions) > 0 || s.Project.Paused ||
		slices.ContainsFunc(s.Waiting, func(w flow.Waiting) bool { return w.Kind != flow.WaitsMention })
}

// next says what a person does now.
func (s standing) next() string {
	id := shortID(s.Project.ID)
	switch {
	case s.Project.Change.Status == project.ChangeCompleted:
		return "layercake clone " + id
	case s.ended():
		return "Begin a further change when you want one."
	case s.Project.Paused:
		return "Let the project go on (resume) when you are ready."
	}
	for _, kind := range []string{flow.WaitsBudget, flow.WaitsQuestion, flow.WaitsDecision} {
		for _, w := range s.Waiting {
			if w.Kind == kind {
				return nextOf(w)
			}
		}
	}
	switch {
	case s.Project.Busy:
		return "layercake status --watch " + id
	case len(s.Project.Unmet) > 0:
		return s.Project.Unmet[0].Next
	}
	return ""
}

// watch shows a project whenever something about it moved.
func (c *statusCmd) watch(e *env, remote *client.Client, id string) error {
	wait, last, held := &patience{env: e}, "", false
	for {
		s, err := again(wait, func() (standing, error) { return stand(e, remote, id) })
		if err != nil {
			return err
		}
		// What waits has to wait at two looks: between two rows everything may seem still.
		if (s.waits() && (held || s.Project.Paused || len(s.Waiting) > 0)) || s.ended() {
			c.show(e, s)
			switch {
			case s.waits():
				return exit(ExitWaiting)
			case s.Project.Change.Status != project.ChangeCompleted:
				return exit(ExitFailed)
			}
			return nil
		}
		held = s.waits()
		if now := s.brief(); now != last && !held {
			if last = now; c.JSON {
				e.emit(s)
			} else {
				e.say("%s  %s", time.Now().Format(time.TimeOnly), now)
			}
		}
		if err := e.sleep(c.Every); err != nil {
			return err
		}
	}
}

// brief is one line of where a project stands.
func (s standing) brief() string {
	n := 0
	for _, g := range s.Gates {
		if settled(api.GateMark{Code: g.Code, Status: g.Status, Stale: g.Stale}) {
			n++
		}
	}
	return fmt.Sprintf("%d/%d  %s", n, len(s.Gates), oneLine(s.Project.Sentence))
}

// show writes where a project stands.
func (c *statusCmd) show(e *env, s standing) {
	if c.JSON {
		e.emit(s)
		return
	}
	e.say("%s (%s), change %d", oneLine(s.Project.Name), shortID(s.Project.ID), s.Project.Change.Number)
	e.say("%s", oneLine(s.Project.Sentence))
	if s.Next != "" {
		e.say("Next: %s", oneLine(s.Next))
	}
	e.say("")
	for _, g := range s.Gates {
		showGate(e, g)
	}
	if len(s.Questions) > 0 {
		e.say("\nOpen questions:")
	}
	for _, q := range s.Questions {
		showQuestion(e, q)
	}
	var others []flow.Waiting
	for _, w := range s.Waiting {
		if w.Kind == flow.WaitsFailure || w.Kind == flow.WaitsMention {
			others = append(others, w)
		}
	}
	if len(others) > 0 {
		e.say("\nWaiting for you:")
	}
	for _, w := range others {
		e.say("  %s", oneLine(waitingText(w)))
	}
}

// showGate writes a gate, and what is unmet where it is the gate's turn.
func showGate(e *env, g api.GateState) {
	status := string(g.Status)
	if g.Stale {
		status += ", stale"
	}
	text := fmt.Sprintf("  %-3s %-16s %s", oneLine(g.Code), oneLine(status), oneLine(g.Name))
	if g.Reason != "" {
		text += ": " + shortened(g.Reason, 120)
	}
	e.say("%s", text)
	if g.Status == gate.Blocked || g.Status == gate.Skipped || g.Status == gate.Approved && !g.Stale {
		return
	}
	for _, u := range g.Unmet {
		e.say("        - %s", oneLine(joined(u.Message, u.Next)))
	}
}
