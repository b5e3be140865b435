package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/run"
)

// budgetGiven is the event that remembers the --budget of a command, so that
// repeating the command does not undo what was decided on the cap since.
const budgetGiven = "budget.given"

// checkBudget refuses a budget in money for a model of unknown price.
func (c *runCmd) checkBudget(a *app.App) error {
	if c.Budget != "" && c.micro > 0 && a.Model.Info().Price == nil {
		return fault.Invalid("budget.price", "A budget in money needs a model of known price, and that of %s is unknown. Leave --budget out.", a.Model.Info().Label)
	}
	return nil
}

// setBudget gives a project that is there the budget of the command.
func (c *runCmd) setBudget(ctx context.Context, a *app.App, by gate.Decider, p project.Project) error {
	if c.Budget == "" || c.micro == p.BudgetMicro {
		return nil
	}
	if by.Method == gate.Undecided {
		return fault.Forbidden("budget.nobody", "The project's cap is %s, and nobody is there to change it. Leave --budget out, run the same command at a terminal, or with --auto-approve to set a first cap or to lower one.", amount(p.BudgetMicro))
	}
	return a.Flow.SetBudget(ctx, by, p.ID, c.micro)
}

// renewBudget gives a change that is at work the budget of the command, unless
// it is the one that was given before: what was decided on the cap since stands.
// It returns what a person has to know of that.
func (c *runCmd) renewBudget(ctx context.Context, a *app.App, by gate.Decider, p project.Project) (string, error) {
	if c.Budget == "" {
		return "", nil
	}
	before, known, err := given(ctx, a, p.ID)
	switch {
	case err != nil:
		return "", err
	case !known || before != c.micro:
		return "", c.setBudget(ctx, a, by, p)
	case c.micro == p.BudgetMicro:
		return "", nil
	}
	return fmt.Sprintf("The cap stays as it was set since, %s: --budget %s was given before. At a prompt, budget %s sets it again.", amount(p.BudgetMicro), c.Budget, c.Budget), nil
}

// remember records the budget of the command, when it is another than before.
func (c *runCmd) remember(ctx context.Context, a *app.App, by gate.Decider, id string) error {
	if c.Budget == "" {
		return nil
	}
	before, known, err := given(ctx, a, id)
	if err != nil || known && before == c.micro {
		return err
	}
	return a.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := a.Flow.Record.Add(ctx, tx, id, by.Actor, budgetGiven, map[string]any{"micro": c.micro})
		return err
	})
}

// given is the budget that a command last gave a project, in micro-USD, 0 for no
// cap; known is false when none did.
func given(ctx context.Context, a *app.App, id string) (micro int64, known bool, err error) {
	var all []event.Event
	err = a.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err = event.All(ctx, tx, id)
		return err
	})
	if err != nil {
		return 0, false, err
	}
	for _, e := range all {
		if e.Type != budgetGiven {
			continue
		}
		var data struct{ Micro int64 }
		if err := json.Unmarshal(e.Data, &data); err != nil {
			return 0, false, fmt.Errorf("read event %d: %w", e.Seq, err)
		}
		micro, known = data.Micro, true
	}
	return micro, known, nil
}

// amount is a cap in words.
func amount(micro int64) string {
	if micro == 0 {
		return "none"
	}
	return run.USD(micro)
}
