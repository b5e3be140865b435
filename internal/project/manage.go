package project

import (
	"context"
	"fmt"
	"strings"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
)

// Settings are what a person may change of a project; nil leaves a setting as it
// is.
type Settings struct {
	Name, Mode, Tier, Teaching *string
}

// Apply returns p with the settings, and what differs: for each the old and the
// new value.
func (s Settings) Apply(p Project) (Project, map[string][2]string) {
	changed := map[string][2]string{}
	for _, c := range []struct {
		name string
		of   *string
		to   *string
	}{{"name", &p.Name, s.Name}, {"mode", &p.Mode, s.Mode}, {"tier", &p.Tier, s.Tier}, {"teaching", &p.Teaching, s.Teaching}} {
		if c.to == nil {
			continue
		}
		to := *c.to
		if c.name == "name" {
			to = strings.Join(strings.Fields(to), " ")
		}
		if to != *c.of {
			changed[c.name] = [2]string{*c.of, to}
			*c.of = to
		}
	}
	return p, changed
}

// Update stores the settings of p, which are valid.
func Update(ctx context.Context, tx *db.Tx, p Project) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE projects SET name = $2, mode = $3, tier = $4, teaching = $5, version = version + 1 WHERE id = $1`, p.ID, p.Name, p.Mode, p.Tier, p.Teaching); err != nil {
		return fmt.Errorf("update project %s: %w", p.ID, err)
	}
	return nil
}

// Archive puts a project away, or takes it out again; it stays paused then.
func Archive(ctx context.Context, tx *db.Tx, id string, away bool) error {
	at := db.Time{}
	if away {
		at = db.Now()
	}
	if _, err := tx.Exec(ctx, `UPDATE projects SET archived_at = $2, paused = TRUE, version = version + 1 WHERE id = $1`, id, at); err != nil {
		return fmt.Errorf("archive project %s: %w", id, err)
	}
	return nil
}

// Delete hides a project from everybody at once; Purge removes what it left.
func Delete(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := tx.Exec(ctx, `UPDATE projects SET deleted_at = $2, paused = TRUE, version = version + 1 WHERE id = $1`, id, db.Now()); err != nil {
		return fmt.Errorf("delete project %s: %w", id, err)
	}
	return nil
}

// IDsOf lists the projects of an organization.
func IDsOf(ctx context.Context, tx *db.Tx, organization string) ([]string, error) {
	var ids []string
	if err := tx.All(ctx, &ids, `SELECT id FROM projects WHERE organization_id = $1 AND deleted_at = 0 ORDER BY id`, organization); err != nil {
		return nil, fmt.Errorf("list projects of %s: %w", organization, err)
	}
	return ids, nil
}

// Deleted lists the projects that were deleted and whose rows are still there.
func Deleted(ctx context.Context, tx *db.Tx) ([]string, error) {
	var ids []string
	if err := tx.All(ctx, &ids, `SELECT id FROM projects WHERE deleted_at > 0 ORDER BY id`); err != nil {
		return nil, fmt.Errorf("list deleted projects: %w", err)
	}
	return ids, nil
}

// Purge removes every row of a deleted project, its event log with them. It may be
// repeated; a project that was not deleted stays.
func Purge(ctx context.Context, tx *db.Tx, id string) error {
	const of = `IN (SELECT id FROM changes WHERE project_id = $1)`
	n, err := tx.Exec(ctx, `UPDATE projects SET locks = locks + 1 WHERE id = $1 AND deleted_at > 0`, id)
	if err != nil {
		return fmt.Errorf("lock deleted project %s: %w", id, err)
	}
	if n == 0 {
		return nil
	}
	for _, statement := range []string{
		`DELETE FROM mentions WHERE comment_id IN (SELECT id FROM comments WHERE project_id = $1)`,
		`DELETE FROM comments WHERE project_id = $1`,
		`DELETE FROM proofs WHERE project_id = $1`,
		`DELETE FROM waivers WHERE change_id ` + of,
		`DELETE FROM conditions WHERE change_id ` + of,
		`DELETE FROM carries WHERE change_id ` + of,
		`DELETE FROM decisions WHERE project_id = $1`,
		`DELETE FROM gates WHERE project_id = $1`,
		`DELETE FROM designs WHERE change_id ` + of,
		`DELETE FROM messages WHERE run_id IN (SELECT id FROM runs WHERE project_id = $1)`,
		`DELETE FROM notes WHERE project_id = $1`,
		`DELETE FROM blockers WHERE project_id = $1`,
		`DELETE FROM questions WHERE project_id = $1`,
		`DELETE FROM usage WHERE project_id = $1`,
		`DELETE FROM steps WHERE run_id IN (SELECT id FROM runs WHERE project_id = $1)`,
		`DELETE FROM runs WHERE project_id = $1`,
		`DELETE FROM tasks WHERE project_id = $1`,
		`DELETE FROM moves WHERE project_id = $1`,
		`DELETE FROM changes WHERE project_id = $1`,
		`DELETE FROM projects WHERE id = $1`,
	} {
		if _, err := tx.Exec(ctx, statement, id); err != nil {
			return fmt.Errorf("purge project %s: %w", id, err)
		}
	}
	return event.Forget(ctx, tx, id)
}
