package db

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/layercake-app/layercake/internal/fault"
)

// applicationID marks a file as ours in its header; the four bytes read "LCak".
const applicationID = 0x4c43616b

// The header of an SQLite file, https://www.sqlite.org/fileformat.html §1.3.
const (
	headerMagic         = "SQLite format 3\x00"
	headerLength        = 100
	headerApplicationID = 68
)

func openSQLite(ctx context.Context, path string) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find database file: %w", err)
	}
	fresh, err := checkFile(abs)
	if err != nil {
		return nil, err
	}
	if fresh {
		if err := brand(ctx, abs); err != nil {
			return nil, err
		}
	}
	writer, err := sql.Open("sqlite", dataSource(abs, url.Values{
		"_txlock":  {"immediate"},
		"_pragma":  {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"},
		"_dqs":     {"0"},
		"_timeout": {"10000"},
	}))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	writer.SetMaxOpenConns(1)
	writer.SetMaxIdleConns(1)
	reader, err := sql.Open("sqlite", dataSource(abs, url.Values{
		"_pragma":     {"busy_timeout(10000)", "foreign_keys(1)"},
		"_dqs":        {"0"},
		"_query_only": {"1"},
		"_timeout":    {"10000"},
	}))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), writer.Close())
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	d := &DB{writer: writer, reader: reader}
	if err := writer.PingContext(ctx); err != nil {
		return nil, errors.Join(Classify(fmt.Errorf("open database %s: %w", abs, err)), d.Close())
	}
	if err := d.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("read database %s: %w", abs, err), d.Close())
	}
	return d, nil
}

// openReadOnly opens a file that must be there and ours. SQLite may lay its two
// working files beside it, as every reader does.
func openReadOnly(ctx context.Context, path string) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find database file: %w", err)
	}
	info, err := os.Stat(abs)
	if err != nil || !info.Mode().IsRegular() {
		return nil, fault.Unavailable("db.open", "There is no database file %s that this user may read.", abs).Because(err)
	}
	fresh, err := checkHeader(abs, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	if fresh {
		return nil, foreign(abs, "it is empty")
	}
	reader, err := sql.Open("sqlite", dataSource(abs, url.Values{
		"mode":        {"ro"},
		"_pragma":     {"busy_timeout(10000)", "foreign_keys(1)", "trusted_schema(0)"},
		"_dqs":        {"0"},
		"_query_only": {"1"},
		"_timeout":    {"10000"},
	}))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	d := &DB{reader: reader}
	if err := d.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("read database %s: %w", abs, err), d.Close())
	}
	return d, nil
}

// dataSource builds the address as a URI, so that no character of the path is
// taken for an option.
func dataSource(abs string, options url.Values) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(abs)}).EscapedPath() + "?" + options.Encode()
}

// checkFile looks at the header only, so that a foreign file is not even
// opened for writing. It creates a missing file, readable by its owner alone.
func checkFile(abs string) (fresh bool, err error) {
	return checkHeader(abs, os.O_RDWR|os.O_CREATE)
}

func checkHeader(abs string, flags int) (fresh bool, err error) {
	f, err := os.OpenFile(abs, flags, 0o600)
	if err != nil {
		return false, fault.Unavailable("db.open",
			"The database file %s cannot be opened. Check that its folder exists and that this user may write there.", abs).Because(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	header := make([]byte, headerLength)
	n, err := io.ReadFull(f, header)
	switch {
	case errors.Is(err, io.EOF):
		return true, nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return false, fmt.Errorf("read database file %s: %w", abs, err)
	case n < headerLength || !bytes.HasPrefix(header, []byte(headerMagic)):
		return false, foreign(abs, "it is not a database")
	case binary.BigEndian.Uint32(header[headerApplicationID:]) != applicationID:
		return false, foreign(abs, "it belongs to another program")
	}
	return false, nil
}

func foreign(abs, why string) error {
	return fault.Invalid("db.foreign",
		"The file %s is not a LayerCake database: %s. Nothing was changed. Name another file, or move this one away.", abs, why)
}

// brand writes the application id as the first change of an empty file, while
// the journal is still the rollback one: the file is empty or ours, never between.
func brand(ctx context.Context, abs string) (err error) {
	conn, err := sql.Open("sqlite", dataSource(abs, url.Values{"_timeout": {"10000"}, "_synchronous": {"FULL"}}))
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return Classify(fmt.Errorf("mark database %s: %w", abs, err))
	}
	return nil
}

// Backup writes a complete, consistent copy of an SQLite database to the file
// path, which must not exist yet, while others go on reading and writing.
func (d *DB) Backup(ctx context.Context, path string) error {
	if d.pool != nil {
		return fault.Unavailable("db.backup", "A PostgreSQL database has no file to copy. Use `layercake backup`, or its own tool, pg_dump.")
	}
	if _, err := os.Lstat(path); err == nil {
		return fault.Conflict("db.backup", "The file %s exists already. Name a new one for the backup.", path)
	}
	if _, err := d.writer.ExecContext(ctx, "VACUUM INTO ?1", path); err != nil {
		return Classify(fmt.Errorf("back up database to %s: %w", path, err))
	}
	return nil
}
