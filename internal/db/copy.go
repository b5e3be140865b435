package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"github.com/layercake-app/layercake/internal/fault"
)

// restoringTable is in a PostgreSQL database while a backup is restored into it;
// such a database is no instance yet.
const restoringTable = "layercake_restoring"

// Newest returns the schema version that this program migrates to.
func Newest() int64 {
	var newest int64
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, file := range files {
		number, _, _ := strings.Cut(strings.TrimPrefix(file, "migrations/"), "_")
		if v, err := strconv.ParseInt(number, 10, 64); err == nil {
			newest = max(newest, v)
		}
	}
	return newest
}

// Schema returns the schema version of the database, 0 before the first migration.
func Schema(ctx context.Context, tx *Tx) (int64, error) {
	query := "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
	if tx.pg != nil {
		query = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
	}
	var n int64
	if err := tx.One(ctx, &n, query, "goose_db_version"); err != nil || n == 0 {
		return 0, err
	}
	var version int64
	err := tx.One(ctx, &version, "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied")
	return version, err
}

// Plain reports whether an SQLite database has tables and indexes alone, and so
// nothing that acts by itself, as every database of ours.
func Plain(ctx context.Context, tx *Tx) (bool, error) {
	var n int64
	err := tx.One(ctx, &n, "SELECT COUNT(*) FROM sqlite_master WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%'")
	return n == 0, err
}

// Table is a table of a PostgreSQL database with its columns in order.
type Table struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
}

var createTable = regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`)

// owned reports whether a table is ours or the queue's: other programs may keep
// theirs in the same schema.
func owned() (func(table string) bool, error) {
	names := map[string]bool{"goose_db_version": true}
	err := fs.WalkDir(migrationFiles, "migrations", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := migrationFiles.ReadFile(path)
		for _, found := range createTable.FindAllSubmatch(text, -1) {
			names[string(found[1])] = true
		}
		return err
	})
	return func(table string) bool { return names[table] || strings.HasPrefix(table, "river_") }, err
}

// Tables lists the tables of ours in a PostgreSQL database, each after those that
// its rows refer to.
func Tables(ctx context.Context, tx *Tx) ([]Table, error) {
	ours, err := owned()
	if err != nil {
		return nil, fmt.Errorf("read embedded migrations: %w", err)
	}
	var columns []struct {
		Table  string `db:"table_name"`
		Column string `db:"column_name"`
	}
	err = tx.All(ctx, &columns, `
		SELECT c.relname::text AS table_name, a.attname::text AS column_name
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		ORDER BY c.relname, a.attnum`)
	if err != nil {
		return nil, err
	}
	var refers []struct {
		From string `db:"from_table"`
		To   string `db:"to_table"`
	}
	err = tx.All(ctx, &refers, `
		SELECT DISTINCT f.relname::text AS from_table, t.relname::text AS to_table
		FROM pg_constraint r JOIN pg_class f ON f.oid = r.conrelid JOIN pg_class t ON t.oid = r.confrelid
		WHERE r.contype = 'f' AND f.relnamespace = current_schema()::regnamespace AND f.oid <> t.oid`)
	if err != nil {
		return nil, err
	}
	needs := map[string][]string{}
	for _, r := range refers {
		needs[r.From] = append(needs[r.From], r.To)
	}
	var waiting []Table
	for _, c := range columns {
		if !ours(c.Table) {
			continue
		}
		if n := len(waiting); n == 0 || waiting[n-1].Name != c.Table {
			waiting = append(waiting, Table{Name: c.Table})
		}
		last := &waiting[len(waiting)-1]
		last.Columns = append(last.Columns, c.Column)
	}
	return inOrder(waiting, needs)
}

// inOrder puts every table after those it needs.
func inOrder(waiting []Table, needs map[string][]string) ([]Table, error) {
	var out []Table
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(t Table) bool {
			return !slices.ContainsFunc(waiting, func(other Table) bool { return slices.Contains(needs[t.Name], other.Name) })
		})
		if i < 0 {
			return nil, fmt.Errorf("order tables: those from %s on refer to each other", waiting[0].Name)
		}
		out = append(out, waiting[i])
		waiting = slices.Delete(waiting, i, i+1)
	}
	return out, nil
}

// isoDates makes times read the same whatever the server is set to.
const isoDates = "SET LOCAL DateStyle = 'ISO, YMD'"

// CopyOut writes the rows of a table in PostgreSQL's text format, which every
// version of it reads.
func (t *Tx) CopyOut(ctx context.Context, table Table, w io.Writer) (rows int64, err error) {
	tally(ctx)
	if _, err := t.Exec(ctx, isoDates); err != nil {
		return 0, err
	}
	query := "COPY " + table.list() + " TO STDOUT"
	tag, err := t.pg.Conn().PgConn().CopyTo(ctx, w, query)
	if err != nil {
		return 0, t.fail("copy rows", query, err)
	}
	return tag.RowsAffected(), nil
}

// CopyIn adds rows that CopyOut wrote.
func (t *Tx) CopyIn(ctx context.Context, table Table, r io.Reader) (rows int64, err error) {
	tally(ctx)
	if _, err := t.Exec(ctx, isoDates); err != nil {
		return 0, err
	}
	query := "COPY " + table.list() + " FROM STDIN"
	tag, err := t.pg.Conn().PgConn().CopyFrom(ctx, r, query)
	if err != nil {
		return 0, t.fail("copy rows", query, err)
	}
	return tag.RowsAffected(), nil
}

func (t Table) list() string {
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = pgx.Identifier{c}.Sanitize()
	}
	return pgx.Identifier{t.Name}.Sanitize() + " (" + strings.Join(columns, ", ") + ")"
}

// Fill replaces all rows of tables by those that open gives, and lets every
// sequence go on after them. tables are all that the database has of ours.
func Fill(ctx context.Context, tx *Tx, tables []Table, open func(table string) (io.ReadCloser, error)) error {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = pgx.Identifier{t.Name}.Sanitize()
	}
	if _, err := tx.Exec(ctx, "TRUNCATE "+strings.Join(names, ", ")); err != nil {
		return err
	}
	for i, t := range tables {
		r, err := open(t.Name)
		if err != nil {
			return err
		}
		_, err = tx.CopyIn(ctx, t, r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		for _, column := range t.Columns {
			var sequence *string
			if err := tx.One(ctx, &sequence, "SELECT pg_get_serial_sequence($1, $2)", names[i], column); err != nil {
				return err
			}
			if sequence == nil {
				continue
			}
			column = pgx.Identifier{column}.Sanitize()
			if _, err := tx.Exec(ctx, "SELECT setval($1::regclass, COALESCE(MAX("+column+"), 1), MAX("+column+") IS NOT NULL) FROM "+names[i], *sequence); err != nil {
				return err
			}
		}
	}
	return nil
}

// Restorable returns fault.Conflict "db.not_empty" unless a PostgreSQL database is
// empty, or one into which a restore was interrupted.
func (d *DB) Restorable(ctx context.Context) error {
	return d.Read(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := restorable(ctx, tx)
		return err
	})
}

func restorable(ctx context.Context, tx *Tx) (begun bool, err error) {
	if begun, err := isRestoring(ctx, tx); begun || err != nil {
		return begun, err
	}
	version, err := Schema(ctx, tx)
	if err != nil {
		return false, err
	}
	// Whoever asked for the state of the migrations has left their empty list.
	var name string
	err = tx.One(ctx, &name, `SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND ($1 OR relname NOT LIKE 'goose\_db\_version%') ORDER BY relname LIMIT 1`, version > 0)
	if errors.Is(err, ErrNoRow) {
		return false, nil
	}
	if err == nil {
		err = fault.Conflict("db.not_empty", "The database in DATABASE_URL is not empty: it has %q. A backup is restored into an empty one. Make one (createdb), and name it in DATABASE_URL.", name)
	}
	return false, err
}

// BeginRestore takes a database that is Restorable for a restore: until EndRestore
// no LayerCake starts on it.
func (d *DB) BeginRestore(ctx context.Context) error {
	return d.Write(ctx, func(ctx context.Context, tx *Tx) error {
		begun, err := restorable(ctx, tx)
		if begun || err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "CREATE TABLE "+restoringTable+" (at BIGINT NOT NULL)")
		return err
	})
}

// EndRestore makes a restored PostgreSQL database an instance's.
func (d *DB) EndRestore(ctx context.Context) error {
	return d.Write(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, "DROP TABLE "+restoringTable)
		return err
	})
}

// Restoring reports whether a restore into the database was begun and not ended.
func (d *DB) Restoring(ctx context.Context) (begun bool, err error) {
	err = d.Read(ctx, func(ctx context.Context, tx *Tx) error {
		begun, err = isRestoring(ctx, tx)
		return err
	})
	return begun, err
}

func isRestoring(ctx context.Context, tx *Tx) (bool, error) {
	if tx.pg == nil {
		return false, nil // the data folder says so
	}
	var n int64
	err := tx.One(ctx, &n, "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1", restoringTable)
	return n > 0, err
}

// MigrateTo brings the schema, up or down, to a version this program knows. It is
// for the database of a restore, whose rows are then replaced.
func (d *DB) MigrateTo(ctx context.Context, version int64) error {
	p, err := d.provider(ctx)
	if err != nil {
		return err
	}
	if _, err = p.UpTo(ctx, version); err == nil || errors.Is(err, goose.ErrNoNextVersion) {
		_, err = p.DownTo(ctx, version)
	}
	if err != nil && !errors.Is(err, goose.ErrNoNextVersion) {
		return Classify(fmt.Errorf("migrate database to version %d: %w", version, err))
	}
	return nil
}
