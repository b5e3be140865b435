package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/georgysavva/scany/v2/dbscan"
	"github.com/georgysavva/scany/v2/pgxscan"
	"github.com/georgysavva/scany/v2/sqlscan"
	"github.com/jackc/pgx/v5"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/secret"
)

// SQLTx returns the SQLite transaction, nil on PostgreSQL, for package job only.
func (t *Tx) SQLTx() *sql.Tx { return t.lite }

// PgxTx returns the PostgreSQL transaction, nil on SQLite, for package job only.
func (t *Tx) PgxTx() pgx.Tx { return t.pg }

// In adds values to args and returns the placeholders by which a query names
// them, for IN (…); values is not empty.
func In(args []any, values []string) (marks string, all []any) {
	names := make([]string, len(values))
	for i, v := range values {
		args = append(args, v)
		names[i] = fmt.Sprintf("$%d", len(args))
	}
	return strings.Join(names, ", "), args
}

type tallyKey struct{}

// Counted returns a context under which statements are counted, for tests that hold
// the number of queries against what they are asked for.
func Counted(ctx context.Context) (context.Context, *atomic.Int64) {
	n := new(atomic.Int64)
	return context.WithValue(ctx, tallyKey{}, n), n
}

func tally(ctx context.Context) {
	if n, ok := ctx.Value(tallyKey{}).(*atomic.Int64); ok {
		n.Add(1)
	}
}

// OnCommit registers fn to run after the transaction has been committed, in the
// order of registration; it never runs when the transaction is rolled back.
func (t *Tx) OnCommit(fn func()) { t.after = append(t.after, fn) }

// Exec runs one statement and returns the number of rows it changed.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tally(ctx)
	args, err := t.ready(query, args)
	if err != nil {
		return 0, err
	}
	if t.pg != nil {
		tag, err := t.pg.Exec(ctx, query, args...)
		if err != nil {
			return 0, t.fail("exec", query, err)
		}
		return tag.RowsAffected(), nil
	}
	res, err := t.lite.ExecContext(ctx, rewrite(query), args...)
	if err != nil {
		return 0, t.fail("exec", query, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, t.fail("exec", query, err)
	}
	return n, nil
}

// One reads exactly one row into dst, a pointer to a struct with db tags or to
// a single value; ErrNoRow when there is none, another error when several.
func (t *Tx) One(ctx context.Context, dst any, query string, args ...any) error {
	tally(ctx)
	args, err := t.ready(query, args)
	if err != nil {
		return err
	}
	if t.pg != nil {
		err = pgxscan.Get(ctx, t.pg, dst, query, args...)
	} else {
		err = sqlscan.Get(ctx, t.lite, dst, rewrite(query), args...)
	}
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, pgx.ErrNoRows) || dbscan.NotFound(err) {
		return ErrNoRow
	}
	if err != nil {
		return t.fail("read one row", query, err)
	}
	return nil
}

// All reads all rows into dst, a pointer to a slice of structs with db tags or
// of single values; its former content is replaced.
func (t *Tx) All(ctx context.Context, dst any, query string, args ...any) error {
	tally(ctx)
	args, err := t.ready(query, args)
	if err != nil {
		return err
	}
	if t.pg != nil {
		err = pgxscan.Select(ctx, t.pg, dst, query, args...)
	} else {
		err = sqlscan.Select(ctx, t.lite, dst, rewrite(query), args...)
	}
	if err != nil {
		return t.fail("read rows", query, err)
	}
	return nil
}

// errText is text that PostgreSQL cannot store, and that SQLite would.
var errText = fault.Invalid("text.invalid", "A text has a character that cannot be stored: a NUL, or bytes that are no UTF-8. Take it out.")

// ready refuses a statement after a failed one, and arguments that the two
// databases would store differently.
func (t *Tx) ready(query string, args []any) ([]any, error) {
	if t.failed != nil {
		return nil, fmt.Errorf("statement after a failed one (%s): %w", short(query), t.failed)
	}
	for i, a := range args {
		switch v := a.(type) {
		case string:
			if strings.IndexByte(v, 0) >= 0 || !utf8.ValidString(v) {
				return nil, fmt.Errorf("argument $%d of %s: %w", i+1, short(query), errText)
			}
		case time.Time, *time.Time:
			return nil, fmt.Errorf("argument $%d of %s: pass a db.Time, not a time.Time", i+1, short(query))
		case secret.Text, *secret.Text:
			return nil, fmt.Errorf("argument $%d of %s: a secret is sealed before it is stored", i+1, short(query))
		case json.RawMessage:
			// JSON columns are TEXT; SQLite would store the bytes as a BLOB.
			fixed := append([]any(nil), args...)
			fixed[i] = string(v)
			return t.ready(query, fixed)
		}
	}
	return args, nil
}

func (t *Tx) fail(verb, query string, err error) error {
	err = Classify(fmt.Errorf("%s (%s): %w", verb, short(query), err))
	if isStatementError(err) {
		t.failed = err
	}
	return err
}

// shortLimit caps how much of a statement an error for the log may carry.
const shortLimit = 160

// short is the start of a statement on one line. Arguments are never part of it.
func short(query string) string {
	line := strings.Join(strings.Fields(query), " ")
	if len(line) > shortLimit {
		line = strings.ToValidUTF8(line[:shortLimit], "") + "…"
	}
	return line
}
