package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
)

// What is restored is what was backed up: every row, reference, object, stored
// file and key. It goes on, and backed up again it is the same.
func TestRestoredIsTheSame(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := newInstance(t, d)
		path, sum := in.backup()
		if sum.Projects != 1 || sum.Events != 2 || sum.Repositories != 1 || sum.Blobs != 2 || !sum.Keys || len(sum.Damaged) != 0 || sum.Program != "v1.2.3" {
			t.Errorf("backed up %+v", sum)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != sum.Size || info.Mode().Perm() != 0o600 {
			t.Errorf("the file: %+v, %v", info, err)
		}
		target := newTarget(t, d.Dialect())
		again, err := Restore(t.Context(), path, *target)
		if err != nil {
			t.Fatal(err)
		}
		again.Size, again.Bytes, sum.Bytes, sum.Size = 0, 0, 0, 0
		if diff := cmp.Diff(sum, again); diff != "" {
			t.Errorf("restored something else: %s", diff)
		}
		key, err := os.ReadFile(filepath.Join(target.Data, keyFile))
		if err != nil || string(key) != "the key that signs" {
			t.Errorf("the key is %q, %v", key, err)
		}
		out := opened(t, target)
		out.sound()
		second, _ := out.backup()
		if diff := cmp.Diff(digests(t, path), digests(t, second)); diff != "" {
			t.Errorf("the backup of what was restored: %s", diff)
		}
		for id := range sum.Heads {
			out.work(id, "c")
		}
		out.sound()
		if left := names(t, target.Data); slices.Contains(left, restoring) || slices.Contains(left, restored) {
			t.Errorf("left behind: %q", left)
		}
	})
}

// digests are the members of a backup, but for those that say when it was made,
// what is sealed anew each time, and the file of SQLite, which counts its copies.
func digests(t *testing.T, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, m := range unpackAll(t, path) {
		if m.Name != headerMember && m.Name != contentsMember && m.Name != keyMember && m.Name != databaseMember {
			all[m.Name] = string(m.content)
		}
	}
	return all
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// While projects are worked on and begun, and their objects packed anew, each
// backup is whole.
func TestBackupWhileOthersWrite(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := newInstance(t, d)
		ctx, stop := context.WithCancel(t.Context())
		var workers errgroup.Group
		ids := []string{in.project("first"), in.project("second")}
		for i, id := range ids {
			workers.Go(func() error {
				for n := 0; ctx.Err() == nil; n++ {
					//nolint:contextcheck // a piece of work is ended, not cut off
					in.work(id, strings.Repeat(string(rune('a'+i)), n+1))
					if i > 0 {
						continue
					}
					dir := filepath.Join(in.Data, "repos", id, "git")
					//nolint:contextcheck // the same
					if out, err := exec.CommandContext(t.Context(), "git", "--git-dir="+dir, "repack", "-a", "-d", "-q").CombinedOutput(); err != nil {
						return fmt.Errorf("repack: %w: %s", err, out)
					}
				}
				return nil
			})
		}
		var paths []string
		for range 3 {
			path, _ := in.backup()
			paths = append(paths, path)
		}
		stop()
		if err := workers.Wait(); err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			target := newTarget(t, d.Dialect())
			sum, err := Restore(t.Context(), path, *target)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d events, %d repositories, %d stored files", sum.Events, sum.Repositories, sum.Blobs)
			opened(t, target).sound()
		}
	})
}

// A backup that cannot be finished leaves nothing under its name, nor beside it.
func TestUnfinishedBackupLeavesNothing(t *testing.T) {
	t.Parallel()
	in := newInstance(t, dbtest.SQLite(t))
	dir := t.TempDir()
	path := filepath.Join(dir, "b")
	in.must(os.WriteFile(path+".part", []byte("what a killed backup left"), 0o600))
	in.must(os.Mkdir(path+".part.d", 0o700))
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Create(stopped, path, in.Source); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	if _, err := Create(t.Context(), path, in.Source); err != nil {
		t.Fatal(err)
	}
	if left := names(t, dir); !slices.Equal(left, []string{"b"}) {
		t.Errorf("there is %q", left)
	}
	before, err := os.ReadFile(path)
	in.must(err)
	if _, err := Create(t.Context(), path, in.Source); fault.CodeOf(err) != "backup.exists" {
		t.Errorf("a file that is there: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("it was changed: %v", err)
	}
	if _, err := Create(t.Context(), filepath.Join(dir, "none", "b"), in.Source); fault.CodeOf(err) != "backup.unusable" {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// fullWriter has room for so many bytes.
type fullWriter struct{ room int }

func (w *fullWriter) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}

// Wherever the disk is full, the backup fails and says so.
func TestFullDiskIsNamed(t *testing.T) {
	t.Parallel()
	in := newInstance(t, dbtest.SQLite(t))
	_, sum := in.backup()
	for _, room := range []int{0, int(sum.Size) / 2, int(sum.Size) - 1000} {
		_, err := write(t.Context(), &fullWriter{room}, t.TempDir(), in.Source)
		if err = full(err); fault.CodeOf(err) != "backup.full" || fault.KindOf(err) != fault.KindFull {
			t.Errorf("room for %d of %d bytes: %v", room, sum.Size, err)
		}
	}
}

// A project whose repository is not there is no backup, and a stored file that the
// disk has damaged is named.
func TestDamagedInstance(t *testing.T) {
	t.Parallel()
	in := newInstance(t, dbtest.SQLite(t))
	keys, err := filepath.Glob(filepath.Join(in.Data, "blobs", "sha256", "*", "*"))
	in.must(err)
	in.must(os.Chmod(keys[0], 0o600))
	in.must(os.WriteFile(keys[0], []byte("rot"), 0o600))
	path, sum := in.backup()
	if !slices.Equal(sum.Damaged, []string{filepath.Base(keys[0])}) {
		t.Errorf("damaged: %q", sum.Damaged)
	}
	again, err := Restore(t.Context(), path, *newTarget(t, db.SQLite))
	if err != nil || !slices.Equal(again.Damaged, sum.Damaged) {
		t.Errorf("restored: %q, %v", again.Damaged, err)
	}
	for id := range sum.Heads {
		in.must(os.RemoveAll(filepath.Join(in.Data, "repos", id, "git")))
	}
	if _, err := Create(t.Context(), filepath.Join(t.TempDir(), "b"), in.Source); fault.CodeOf(err) != "backup.moved" {
		t.Errorf("without its repository: %v", err)
	}
}

// Without a passphrase no key is in a backup; with another one nothing is restored.
func TestKeysAreSealed(t *testing.T) {
	t.Parallel()
	in := newInstance(t, dbtest.SQLite(t))
	path, _ := in.backup()
	for name, content := range digests(t, path) {
		if strings.Contains(content, "the key that signs") {
			t.Errorf("%s holds the key", name)
		}
	}
	target := newTarget(t, db.SQLite)
	target.Passphrase = "another passphrase"
	if _, err := Restore(t.Context(), path, *target); fault.CodeOf(err) != "secret.passphrase" || len(names(t, target.Data)) != 0 {
		t.Errorf("a wrong passphrase: %v, and there is %q", err, names(t, target.Data))
	}
	target.Passphrase = ""
	sum, err := Restore(t.Context(), path, *target)
	if err != nil || sum.Keys || slices.Contains(names(t, target.Data), keyFile) {
		t.Errorf("no passphrase: keys %t, %q, %v", sum.Keys, names(t, target.Data), err)
	}
	in.Passphrase = ""
	path, sum = in.backup()
	if held := slices.Collect(maps.Keys(digests(t, path))); sum.Keys || len(held) == 0 {
		t.Errorf("keys %t in %q", sum.Keys, held)
	}
	for _, m := range unpackAll(t, path) {
		if m.Name == keyMember {
			t.Error("the key is in a backup without a passphrase")
		}
	}
}

// An instance on PostgreSQL whose tables the backup did not know would lose them.
func TestEveryTableIsOurs(t *testing.T) {
	t.Parallel()
	in := newInstance(t, dbtest.Postgres(t))
	in.must(in.DB.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		var all []string
		if err := tx.All(ctx, &all, `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1`); err != nil {
			return err
		}
		tables, err := db.Tables(ctx, tx)
		var ours []string
		for _, table := range tables {
			ours = append(ours, table.Name)
		}
		slices.Sort(ours)
		if diff := cmp.Diff(all, ours); diff != "" {
			t.Errorf("tables of the schema and of the backup: %s", diff)
		}
		return err
	}))
}
