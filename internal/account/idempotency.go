package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/layercake-app/layercake/internal/db"
)

// KeyLife is how long the answer to a request with an Idempotency-Key is kept.
const KeyLife = 24 * time.Hour

// Attempt is a request that carried an Idempotency-Key. Status is 0 while it is at
// work in the process that Process names.
type Attempt struct {
	Request string `db:"request"` // digest of what was asked for
	Process string `db:"process"`
	Status  int64  `db:"status"`
	Answer  string `db:"answer"`
}

// Claim takes a key for a request. It returns nil when the request is the first
// with it, and what became of that one otherwise.
func Claim(ctx context.Context, tx *db.Tx, userID, key string, a Attempt) (*Attempt, error) {
	n, err := tx.Exec(ctx, `INSERT INTO idempotency (user_id, idempotency_key, request, process, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id, idempotency_key) DO NOTHING`,
		userID, key, a.Request, a.Process, db.Now())
	if err != nil {
		return nil, fmt.Errorf("claim idempotency key: %w", err)
	}
	if n > 0 {
		return nil, nil
	}
	var first Attempt
	err = tx.One(ctx, &first, `SELECT request, process, status, answer FROM idempotency WHERE user_id = $1 AND idempotency_key = $2`, userID, key)
	if errors.Is(err, db.ErrNoRow) {
		return &Attempt{Request: a.Request, Process: a.Process}, nil // given up this moment
	}
	if err != nil {
		return nil, fmt.Errorf("read idempotency key: %w", err)
	}
	return &first, nil
}

// Keep stores the answer to the request that claimed a key.
func Keep(ctx context.Context, tx *db.Tx, userID, key string, status int, answer string) error {
	_, err := tx.Exec(ctx, `UPDATE idempotency SET status = $3, answer = $4 WHERE user_id = $1 AND idempotency_key = $2`, userID, key, status, answer)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

// Abandon gives a key back whose request came to nothing.
func Abandon(ctx context.Context, tx *db.Tx, userID, key string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM idempotency WHERE user_id = $1 AND idempotency_key = $2 AND status = 0`, userID, key); err != nil {
		return fmt.Errorf("abandon idempotency key: %w", err)
	}
	return nil
}

// Sweep removes kept answers that are too old, and sessions that ended or ran out
// a week ago.
func Sweep(ctx context.Context, tx *db.Tx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM idempotency WHERE created_at < $1`, db.Now().Add(-KeyLife)); err != nil {
		return fmt.Errorf("sweep idempotency keys: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE expires_at < $1`, db.Now().Add(-7*24*time.Hour)); err != nil {
		return fmt.Errorf("sweep sessions: %w", err)
	}
	return nil
}

// FirstHome returns the personal organization of the first administrator, "" while
// there is none.
func FirstHome(ctx context.Context, tx *db.Tx) (string, error) {
	var home string
	err := tx.One(ctx, &home, `SELECT o.id FROM users u JOIN organizations o ON o.personal_of = u.id WHERE u.admin ORDER BY u.created_at, u.id LIMIT 1`)
	if errors.Is(err, db.ErrNoRow) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find the first administrator: %w", err)
	}
	return home, nil
}
