package flow

import (
	"context"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/proof"
)

// Creation runs the job by which creating a change takes effect as the decision
// on its G0.
func (f *Flow) Creation(ctx context.Context, projectID, changeID string) error {
	return f.creation(ctx, creationJob{Project: projectID, Change: changeID})
}

// Conclude stores what a check is said to have found out.
func (f *Flow) Conclude(ctx context.Context, tx *db.Tx, row proof.Row, result proof.Result) error {
	return f.conclude(ctx, tx, row, result)
}

// MaxRepairs is maxRepairs.
const MaxRepairs = maxRepairs
