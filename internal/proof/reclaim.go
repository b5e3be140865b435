package proof

import (
	"context"
	"fmt"

	"github.com/layercake-app/layercake/internal/db"
)

// Unfinished returns the ids of all platform proofs that are queued or running,
// oldest first.
func Unfinished(ctx context.Context, tx *db.Tx) ([]string, error) {
	var ids []string
	err := tx.All(ctx, &ids, `SELECT id FROM proofs WHERE status IN ($1, $2) AND source = $3 ORDER BY id`, Queued, Running, Platform)
	if err != nil {
		return nil, fmt.Errorf("list unfinished proofs: %w", err)
	}
	return ids, nil
}
