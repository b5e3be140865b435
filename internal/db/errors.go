package db

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/layercake-app/layercake/internal/fault"
)

// ErrNoRow is what Tx.One returns when no row matches.
var ErrNoRow = errors.New("db: no row")

// SQLSTATE codes, from the PostgreSQL manual, appendix A.
const (
	pgUniqueViolation      = "23505"
	pgDiskFull             = "53100"
	pgSerializationFailure = "40001"
	pgDeadlockDetected     = "40P01"
	pgLockNotAvailable     = "55P03"
)

// IsUnique reports whether err is a violation of a unique index or primary key.
func IsUnique(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == pgUniqueViolation
	}
	switch liteCode(err) {
	case sqlitelib.SQLITE_CONSTRAINT_UNIQUE, sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY, sqlitelib.SQLITE_CONSTRAINT_ROWID:
		return true
	}
	return false
}

// liteCode returns the extended result code of an SQLite error, 0 for others.
func liteCode(err error) int {
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code()
	}
	return 0
}

// isStatementError reports whether the database itself refused a statement, as
// against a destination that did not fit the rows.
func isStatementError(err error) bool {
	_, pg := errors.AsType[*pgconn.PgError](err)
	return pg || liteCode(err) != 0
}

func isFull(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == pgDiskFull
	}
	switch liteCode(err) {
	// The index of the write-ahead log reports a full disk only as a failure to grow.
	case sqlitelib.SQLITE_FULL, sqlitelib.SQLITE_IOERR_SHMSIZE:
		return true
	}
	return errors.Is(err, syscall.ENOSPC)
}

// isBusy reports whether another transaction was in the way for too long.
func isBusy(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == pgDeadlockDetected || pg.Code == pgSerializationFailure || pg.Code == pgLockNotAvailable
	}
	return liteCode(err)&0xff == sqlitelib.SQLITE_BUSY // the low byte is the primary code
}

// Classify gives errors that a person can mend their fault; others stay as they are.
func Classify(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := fault.As(err); ok {
		return err
	}
	if isFull(err) {
		return fault.Full("db.full",
			"The disk that holds the database is full. Nothing was saved. Free some space, then try again.").Because(err)
	}
	if isBusy(err) {
		return fault.Unavailable("db.busy",
			"Another change was being saved at the same moment. Nothing was saved. Try again.").Because(err)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fault.Unavailable("db.unreachable",
			"The database does not answer. Check that PostgreSQL is running and reachable, then try again.").Because(err)
	}
	return err
}

// internal is an error with a code for tests and logs whose cause no client sees.
func internal(code string, cause error) error {
	return (&fault.Error{Kind: fault.KindInternal, Code: code, Message: fault.Public(nil)}).Because(cause)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
