package cli

import (
	"strings"

	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/app/client"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/project"
)

type answerCmd struct {
	jsonFlag

	Project   string  `arg:"" help:"Name or id of a project, or the beginning of one."`
	Question  *string `arg:"" optional:"" help:"Id of a question, or its beginning; where one question is open, the answer to it."`
	Text      *string `arg:"" optional:"" help:"The answer; the number of an option stands for that option."`
	Suggested bool    `help:"Give the answer that the question suggests."`
}

// Run lists the open questions, or answers one.
func (c *answerCmd) Run(e *env) error {
	e.json = c.JSON
	if c.Suggested && c.Text != nil {
		return fault.Invalid("answer.both", "--suggested is an answer itself. Leave it out, or the text.")
	}
	remote, err := e.remote()
	if err != nil {
		return err
	}
	defer remote.Close()
	p, err := findProject(e.ctx, remote, c.Project)
	if err != nil {
		return err
	}
	all, err := remote.Questions(e.ctx, p.ID)
	if err != nil {
		return err
	}
	open := openOnes(all)
	q, text, err := c.pick(open, all)
	if err != nil {
		return err
	}
	if q == nil {
		c.list(e, p, open)
		if q = c.only(e, open); q == nil {
			return nil
		}
	}
	given, err := c.text(e, *q, text)
	if err != nil {
		return err
	}
	return c.send(e, remote, *q, given)
}

// only is the one question that may be asked right away.
func (c *answerCmd) only(e *env, open []project.Question) *project.Question {
	if len(open) != 1 || c.JSON || !c.Suggested && !e.term.Interactive {
		return nil
	}
	return &open[0]
}

// pick settles which question is meant, nil for none, and what was said to it. One
// word alone is an answer where only one question is open and it names none.
func (c *answerCmd) pick(open, all []project.Question) (q *project.Question, text *string, err error) {
	id := func(q project.Question) string { return q.ID }
	switch {
	case c.Question == nil:
		return nil, nil, nil
	case strings.HasPrefix(*c.Question, "qst_") || c.Text != nil:
		found, err := byBeginning(open, *c.Question, "question", id)
		if fault.KindOf(err) == fault.KindNotFound && err != nil {
			if before, second := byBeginning(all, *c.Question, "question", id); second == nil {
				return nil, nil, fault.Conflict("question.answered", "That question is %s. `layercake answer %s` lists the open ones.", before.Status, quoted(c.Project))
			}
			return nil, nil, fault.NotFound("question.not_found", "No open question begins with %q. `layercake answer %s` lists them.", *c.Question, quoted(c.Project))
		}
		return &found, c.Text, err
	case len(open) == 1:
		return &open[0], c.Question, nil
	case len(open) == 0:
		return nil, nil, fault.Conflict("question.none", "No question is open. `layercake status %s` says what the project waits for.", quoted(c.Project))
	}
	return nil, nil, fault.Invalid("question.several", "%d questions are open. Say which one you answer: layercake answer %s QUESTION TEXT", len(open), quoted(c.Project))
}

func (c *answerCmd) list(e *env, p api.ProjectRow, open []project.Question) {
	if c.JSON {
		e.emit(struct {
			Questions []project.Question `json:"questions"`
		}{open})
		return
	}
	if len(open) == 0 {
		e.say("No question of %s is open.", oneLine(p.Name))
	}
	for _, q := range open {
		showQuestion(e, q)
	}
	if len(open) > 0 && c.only(e, open) == nil {
		e.say("Answer with: layercake answer %s QUESTION TEXT (or --suggested)", shortID(p.ID))
	}
}

func showQuestion(e *env, q project.Question) {
	e.say("  %s  %s asks: %s", shortID(q.ID), oneLine(q.Gate), oneLine(q.Text))
	for i, option := range q.Options {
		e.say("      %d  %s", i+1, oneLine(option))
	}
	if q.Suggestion != "" {
		e.say("      suggested: %s", oneLine(q.Suggestion))
	}
}

// text is the answer that was given, or that is asked for now.
func (c *answerCmd) text(e *env, q project.Question, given *string) (string, error) {
	switch {
	case given != nil && strings.TrimSpace(*given) == "":
		return "", fault.Invalid("answer.empty", "The answer is empty. Say what the agent should go on with, or add --suggested.")
	case given != nil:
		return answer(q, *given), nil
	case c.Suggested && q.Suggestion == "":
		return "", fault.Invalid("answer.suggestion", "This question suggests no answer. Give one of your own.")
	case c.Suggested:
		return q.Suggestion, nil
	case !e.term.Interactive || c.JSON:
		return "", fault.Invalid("answer.empty", "There is no answer, and nobody to ask for one. Add it, or --suggested.")
	}
	if c.Question != nil {
		showQuestion(e, q)
	}
	if q.Suggestion != "" {
		e.say("Enter alone takes what is suggested; later leaves it open.")
	}
	typed, err := e.prompt(question)
	if err != nil {
		return "", err
	}
	if given := answer(q, typed); given != "" && !strings.EqualFold(typed, "later") {
		return given, nil
	}
	e.say("It stays open.")
	return "", exit(ExitWaiting)
}

// question is the prompt below a question.
const question = "answer>"

func (c *answerCmd) send(e *env, remote *client.Client, q project.Question, text string) error {
	done, err := remote.Answer(e.ctx, q.ID, text)
	if err != nil {
		return err
	}
	if c.JSON {
		e.emit(struct {
			Question project.Question `json:"question"`
		}{done})
		return nil
	}
	e.say("%s is answered: %s", oneLine(done.Gate), oneLine(done.Answer))
	return nil
}
