package db_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
)

func openFile(t *testing.T, path string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// foreignDatabase makes an SQLite file that is not ours.
func foreignDatabase(t *testing.T, path string, statements ...string) {
	t.Helper()
	conn, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAForeignFileIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	makers := map[string]func(t *testing.T, path string){
		"text":             func(t *testing.T, path string) { writeFile(t, path, "my diary") },
		"long text":        func(t *testing.T, path string) { writeFile(t, path, strings.Repeat("my diary ", 1000)) },
		"cut header":       func(t *testing.T, path string) { writeFile(t, path, "SQLite format 3\x00") },
		"other program":    func(t *testing.T, path string) { foreignDatabase(t, path, "CREATE TABLE t (a)") },
		"other program id": func(t *testing.T, path string) { foreignDatabase(t, path, "PRAGMA application_id = 7") },
		"other WAL": func(t *testing.T, path string) {
			foreignDatabase(t, path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)")
		},
	}
	for name, make := range makers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.db")
			make(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.Open(t.Context(), db.Config{Path: path})
			if fault.CodeOf(err) != "db.foreign" || fault.KindOf(err) != fault.KindInvalid || !strings.Contains(fault.Public(err), path) {
				t.Errorf("%v, want invalid db.foreign naming the file", err)
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed: %v", err)
			}
			if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
				t.Errorf("files appeared: %v, %v", entries, err)
			}
		})
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnUnusablePathIsNamed(t *testing.T) {
	t.Parallel()
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "no", "folder.db")} {
		_, err := db.Open(t.Context(), db.Config{Path: path})
		if fault.CodeOf(err) != "db.open" || !strings.Contains(fault.Public(err), path) {
			t.Errorf("%v, want db.open naming %s", err, path)
		}
	}
	if _, err := db.Open(t.Context(), db.Config{}); fault.CodeOf(err) != "db.path" {
		t.Errorf("%v, want db.path", err)
	}
}

func TestAFreshFileBecomesOurs(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "a b?c#d%20'é&x=y")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(folder, "empty ?mode=ro.db")
	writeFile(t, empty, "")
	for _, path := range []string{empty, filepath.Join(folder, "new.db")} {
		d, err := db.Open(t.Context(), db.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.MigrateUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		openFile(t, path)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() == 0 || path != empty && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %d bytes, mode %v", path, info.Size(), info.Mode())
		}
	}
}

func TestConnectionsAreDurableAndReadersCannotWrite(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	if d.Dialect() != db.SQLite || d.Pool() != nil {
		t.Errorf("dialect %s, pool %v", d.Dialect(), d.Pool())
	}
	want := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000"}
	for pragma, value := range want {
		var got string
		if err := d.SQLDB().QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != value {
			t.Errorf("%s is %s, %v; want %s", pragma, got, err, value)
		}
	}
	err := d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if tx.SQLTx() == nil || tx.PgxTx() != nil {
			t.Error("wrong raw transaction")
		}
		_, err := tx.Exec(ctx, "CREATE TABLE t (a TEXT)")
		return err
	})
	if err == nil {
		t.Error("a reader created a table")
	}
}

func TestBackupIsACompleteCopy(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	write(t, d, func(ctx context.Context, tx *db.Tx) error {
		if _, err := tx.Exec(ctx, createCakes); err != nil {
			return err
		}
		return insert(ctx, tx, cake{ID: "a"})
	})
	path := filepath.Join(t.TempDir(), "backup ?x.db")
	if err := d.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if n := count(t, openFile(t, path)); n != 1 {
		t.Errorf("%d rows in the backup, want 1", n)
	}
	if err := d.Backup(t.Context(), path); fault.CodeOf(err) != "db.backup" {
		t.Errorf("backup over a file: %v, want db.backup", err)
	}
	if err := dbtest.Postgres(t).Backup(t.Context(), path); fault.CodeOf(err) != "db.backup" {
		t.Errorf("backup of PostgreSQL: %v, want db.backup", err)
	}
}

func TestAFullDatabaseSavesNothing(t *testing.T) {
	t.Parallel()
	disks := map[string]func(t *testing.T) (d *db.DB, more func()){
		"page limit": func(t *testing.T) (*db.DB, func()) {
			d := dbtest.SQLite(t)
			limit := func(pages int64) {
				if _, err := d.SQLDB().ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
					t.Fatal(err)
				}
			}
			var pages int64
			if err := d.SQLDB().QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
				t.Fatal(err)
			}
			limit(pages + 4)
			return d, func() { limit(1 << 30) }
		},
		"small disk": func(t *testing.T) (*db.DB, func()) {
			root := t.TempDir()
			if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
				t.Skipf("SKIPPED: mounting a small disk needs more rights: %v", err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(root, 0); err != nil {
					t.Errorf("unmount: %v", err)
				}
			})
			return openFile(t, filepath.Join(root, "x.db")), func() {
				if err := syscall.Mount("tmpfs", root, "tmpfs", syscall.MS_REMOUNT, "size=32m"); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
	for name, disk := range disks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, more := disk(t)
			write(t, d, func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, createCakes)
				return err
			})
			big := func(ctx context.Context, tx *db.Tx) error {
				if err := insert(ctx, tx, cake{ID: "small"}); err != nil {
					return err
				}
				return insert(ctx, tx, cake{ID: "big", Layers: 1, Photo: make([]byte, 2<<20)})
			}
			err := d.Write(t.Context(), big)
			if fault.CodeOf(err) != "db.full" || fault.KindOf(err) != fault.KindFull {
				t.Errorf("%v, want full db.full", err)
			}
			if n := count(t, d); n != 0 {
				t.Errorf("%d rows were saved, want none", n)
			}
			more()
			write(t, d, big)
			if n := count(t, d); n != 2 {
				t.Errorf("%d rows once there is room, want 2", n)
			}
		})
	}
}

// childVariable holds the database file in the process that is to be killed.
const childVariable = "LAYERCAKE_DB_TEST_CHILD"

// runChild commits rows and says so, until it is killed.
func runChild() bool {
	path, ok := os.LookupEnv(childVariable)
	if !ok {
		return false
	}
	d, err := db.Open(context.Background(), db.Config{Path: path})
	if err != nil {
		panic(err)
	}
	for n := int64(0); ; n++ {
		err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			return insert(ctx, tx, cake{ID: fmt.Sprint(n), Layers: n})
		})
		if err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

func TestWhatWasCommittedSurvivesAKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	d, err := db.Open(t.Context(), db.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	write(t, d, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, createCakes)
		return err
	})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	promised := int64(0)
	for range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if promised++; promised%20 == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		for lines.Scan() {
			promised++
		}
		if err := cmd.Wait(); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("the child was not killed: %v", err)
		}
		d := openFile(t, path)
		// One more may have been committed without its line having been written.
		if n := count(t, d); n != promised && n != promised+1 {
			t.Fatalf("%d rows found, %d were promised", n, promised)
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM cakes")
			return err
		})
		promised = 0
	}
}

func TestReadOnlyChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "layercake.db")
	if _, err := db.Open(t.Context(), db.Config{Path: path, ReadOnly: true}); fault.CodeOf(err) != "db.open" {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the missing file was made: %v", err)
	}
	writer := openFile(t, path)
	if err := writer.MigrateUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	reader, err := db.Open(t.Context(), db.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	count := func(ctx context.Context, tx *db.Tx) error { return tx.One(ctx, &n, "SELECT COUNT(*) FROM projects") }
	if err := reader.Read(t.Context(), count); err != nil {
		t.Error(err)
	}
	remove := func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM projects")
		return err
	}
	if err := reader.Write(t.Context(), remove); err == nil {
		t.Error("Write was allowed")
	}
	if err := reader.Read(t.Context(), remove); err == nil {
		t.Error("Read was allowed to write")
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
}
