package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/fault"
)

// refused checks that an archive is refused, and that it leaves nothing.
func refused(t *testing.T, what string, archive []byte, code string) {
	t.Helper()
	target := newTarget(t, db.SQLite)
	_, err := Restore(t.Context(), written(t, archive), *target)
	if fault.CodeOf(err) != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
	if left := names(t, target.Data); len(left) != 0 {
		t.Errorf("%s left %q", what, left)
	}
}

// A backup of which a byte was changed, or the end is missing, is refused.
func TestDamagedBackupIsRefused(t *testing.T) {
	t.Parallel()
	in := newInstance(t, dbtest.SQLite(t))
	path, _ := in.backup()
	whole, err := os.ReadFile(path)
	in.must(err)
	random := rand.New(rand.NewPCG(1, 2))
	for range 6 {
		at := random.IntN(len(whole))
		changed := bytes.Clone(whole)
		changed[at] ^= 1 << random.IntN(8)
		refused(t, fmt.Sprintf("byte %d of %d changed", at, len(whole)), changed, "backup.damaged")
	}
	for _, at := range []int{0, 10, len(whole) / 3, len(whole) - 100, len(whole) - 1} {
		refused(t, fmt.Sprintf("cut at %d of %d", at, len(whole)), whole[:at], "backup.damaged")
	}
	refused(t, "something else", []byte("my diary, not a backup"), "backup.damaged")
	refused(t, "something after it", slices.Concat(whole, []byte("more")), "backup.damaged")
}

// What an archive asks for that no backup does is refused, also when its list of
// contents speaks for it.
func TestHostileBackupIsRefused(t *testing.T) {
	t.Parallel()
	in := newInstance(t, dbtest.SQLite(t))
	path, sum := in.backup()
	whole := unpackAll(t, path)
	var id string
	for id = range sum.Heads {
	}
	regular := func(name, content string) packed {
		return packed{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600}, []byte(content)}
	}
	before := func(more ...packed) []packed { // the list of contents
		last := len(whole) - 1
		return slices.Concat(whole[:last], more, whole[last:])
	}
	link := func(kind byte, name, to string) packed {
		return packed{tar.Header{Typeflag: kind, Name: name, Linkname: to}, nil}
	}
	object := repoFolder + id + "/objects/"
	for _, c := range []struct {
		what    string
		members []packed
		honest  bool
	}{
		{"a path that leads out", before(regular("../evil", "x")), true},
		{"an absolute path", before(regular("/tmp/evil", "x")), true},
		{"a path out of the blobs", before(regular(blobFolder+"../../evil", "x")), true},
		{"a path out of the repository", before(regular(object+"../../../evil", "x")), true},
		{"a path out of the repositories", before(regular(repoFolder+"../objects/aa/x", "x")), true},
		{"a setting of git", before(regular(repoFolder+id+"/config", "[core]\n\tfsmonitor = evil")), true},
		{"a hook of git", before(regular(repoFolder+id+"/hooks/post-checkout", "#!/bin/sh")), true},
		{"objects from elsewhere", before(regular(object+"info/alternates", "/")), true},
		{"a reference that leads out", before(regular(repoFolder+"prj_x/refs", strings.Repeat("a", 40)+" refs/heads/../../config")), true},
		{"a replaced object", before(regular(repoFolder+"prj_x/refs", strings.Repeat("a", 40)+" refs/replace/"+strings.Repeat("b", 40))), true},
		{"another program's file", before(regular("lock", "1")), true},
		{"a table in a file of SQLite", before(regular(tableFolder+"projects", "")), true},
		{"a symbolic link", before(link(tar.TypeSymlink, blobFolder+strings.Repeat("a", 64), "/etc/passwd")), false},
		{"a hard link", before(link(tar.TypeLink, blobFolder+strings.Repeat("a", 64), "/etc/passwd")), false},
		{"a device", before(link(tar.TypeChar, blobFolder+strings.Repeat("a", 64), "")), false},
		{"a pipe", before(link(tar.TypeFifo, keyMember, "")), false},
		{"a folder", before(link(tar.TypeDir, "repositories/", "")), false},
		{"a member twice", before(whole[len(whole)-2]), true},
		{"a member that nobody lists", before(regular(blobFolder+strings.Repeat("a", 64), "x")), false},
		{"a member that is missing", slices.Delete(slices.Clone(whole), 3, 4), false},
		{"no list of contents", whole[:len(whole)-1], false},
		{"something after the list", append(slices.Clone(whole), regular(blobFolder+strings.Repeat("a", 64), "x")), true},
		{"no header", whole[1:], true},
		{"no database", slices.Concat(whole[:1], whole[2:]), true},
		{"another database", slices.Concat(whole[:1], []packed{regular(databaseMember, "SQLite format 3\x00 or not")}, whole[2:]), true},
		{"a key that asks for all memory", before(regular(keyMember+"2", "LCseal1\n")), true},
	} {
		refused(t, c.what, packAll(t, c.members, c.honest), "backup.damaged")
	}
	changed := slices.Clone(whole)
	changed[2].content = append(bytes.Clone(changed[2].content), '\n')
	refused(t, "a changed member", packAll(t, changed, false), "backup.damaged")
	trigger := filepath.Join(t.TempDir(), databaseMember)
	in.must(os.WriteFile(trigger, whole[1].content, 0o600))
	d, err := db.Open(t.Context(), db.Config{Path: trigger})
	in.must(err)
	in.must(d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "CREATE TRIGGER evil AFTER INSERT ON events BEGIN DELETE FROM decisions; END")
		return err
	}))
	in.must(d.Close())
	content, err := os.ReadFile(trigger)
	in.must(err)
	refused(t, "a database that acts by itself", packAll(t, slices.Concat(whole[:1], []packed{regular(databaseMember, string(content))}, whole[2:]), true), "backup.damaged")
}

// withHeader changes the header of a backup.
func withHeader(t *testing.T, whole []packed, change func(h map[string]any)) []byte {
	t.Helper()
	var h map[string]any
	if err := json.Unmarshal(whole[0].content, &h); err != nil {
		t.Fatal(err)
	}
	change(h)
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(whole)
	changed[0].content = text
	return packAll(t, changed, true)
}

// A backup of a newer LayerCake is refused with the version that wrote it, before
// anything else of it is read; one that says something else than its database too.
func TestNewerBackupIsRefused(t *testing.T) {
	t.Parallel()
	in := newInstance(t, dbtest.SQLite(t))
	path, _ := in.backup()
	whole := unpackAll(t, path)
	for _, c := range []struct {
		field string
		value any
		code  string
	}{
		{"format", Format + 1, "backup.newer"},
		{"schema", db.Newest() + 1, "backup.newer"},
		{"queueSchema", 999, "backup.newer"},
		{"schema", db.Newest() - 1, "backup.damaged"},
		{"schema", 0, "backup.damaged"},
		{"events", 99, "backup.damaged"},
		{"heads", map[string]Head{}, "backup.damaged"},
		{"database", "oracle", "backup.damaged"},
		{"database", db.Postgres, "backup.kind"},
	} {
		archive := withHeader(t, whole, func(h map[string]any) { h[c.field] = c.value })
		refused(t, fmt.Sprintf("%s %v", c.field, c.value), archive, c.code)
		if c.code != "backup.newer" {
			continue
		}
		_, err := Restore(t.Context(), written(t, archive), *newTarget(t, db.SQLite))
		if !strings.Contains(fault.Public(err), "LayerCake v1.2.3") {
			t.Errorf("it does not name the version: %s", fault.Public(err))
		}
	}
}

// No name of a member leads out of the folder, whatever it is made of.
func TestNoNameLeadsOut(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom([]string{"..", ".", "", "/", "repositories", "prj_1", "git", "refs", "objects", "aa", "blobs", "tables", "etc", strings.Repeat("a", 64), strings.Repeat("b", 38), "pack", "\x00", "C:"})
	rapid.Check(t, func(rt *rapid.T) {
		name := strings.Join(rapid.SliceOfN(part, 1, 6).Draw(rt, "parts"), "/")
		in := repoMember.FindStringSubmatch(name)
		if in == nil {
			return
		}
		if strings.ContainsAny(in[1], "/.\x00") || in[1] == "" {
			rt.Fatalf("%q names the project %q", name, in[1])
		}
	})
}

// A place in which something is stays as it is.
func TestOnlyIntoAnEmptyPlace(t *testing.T) {
	t.Parallel()
	in := newInstance(t, dbtest.SQLite(t))
	path, _ := in.backup()
	for _, name := range []string{"diary.txt", databaseMember, restored, "repos"} {
		target := newTarget(t, db.SQLite)
		in.must(os.WriteFile(filepath.Join(target.Data, name), []byte("mine"), 0o600))
		if _, err := Restore(t.Context(), path, *target); fault.CodeOf(err) != "data.not_empty" {
			t.Errorf("%s: %v", name, err)
		}
		if left := names(t, target.Data); !slices.Equal(left, []string{name}) {
			t.Errorf("there is %q", left)
		}
	}
	if _, err := Restore(t.Context(), path+"2", *newTarget(t, db.SQLite)); fault.CodeOf(err) != "backup.absent" {
		t.Errorf("no backup: %v", err)
	}
	target := newTarget(t, db.Postgres)
	if _, err := Restore(t.Context(), path, *target); fault.CodeOf(err) != "backup.kind" || len(names(t, target.Data)) != 0 {
		t.Errorf("SQLite into PostgreSQL: %v", err)
	}
	target.DB = dbtest.Postgres(t)
	if _, err := Restore(t.Context(), path, *target); fault.CodeOf(err) != "db.not_empty" || len(names(t, target.Data)) != 0 {
		t.Errorf("a database that is not empty: %v", err)
	}
}

type died struct{}

// Wherever a restore dies there is no instance until another one has begun anew,
// or there is the whole one.
func TestRestoreDies(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := newInstance(t, d)
		path, sum := in.backup()
		var steps []string
		target := newTarget(t, d.Dialect())
		target.onStep = func(name string) { steps = append(steps, name) }
		if _, err := Restore(t.Context(), path, *target); err != nil {
			t.Fatal(err)
		}
		complete := steps[len(steps)-1] // after it nothing but tidying is left to do
		target = newTarget(t, d.Dialect())
		for _, step := range steps {
			target.onStep = func(name string) {
				if name == step {
					panic(died{})
				}
			}
			func() {
				defer func() {
					if got := recover(); got != (died{}) {
						t.Fatalf("at %s: %v", step, got)
					}
				}()
				_, err := Restore(t.Context(), path, *target)
				t.Fatalf("it did not come to %s: %v", step, err)
			}()
			starts := !Unfinished(target.Data)
			if target.DB != nil {
				if _, err := target.DB.Status(t.Context()); fault.CodeOf(err) == "db.restoring" {
					starts = false
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if starts != (step == complete) {
				t.Errorf("died at %s, and it starts: %t", step, starts)
			}
		}
		target.onStep = nil
		if _, err := Restore(t.Context(), path, *target); fault.CodeOf(err) != "data.not_empty" {
			t.Errorf("into an instance: %v", err)
		}
		if err := Settle(target.Data); err != nil {
			t.Fatal(err)
		}
		out := opened(t, target)
		out.sound()
		var found Header
		in.must(out.DB.Read(t.Context(), func(ctx context.Context, tx *db.Tx) error { return describe(ctx, tx, &found) }))
		if !sum.same(found) {
			t.Errorf("restored %+v of %+v", found, sum.Header)
		}
	})
}

// An interrupted restore of a newer schema is cleared by one of an older: rows of
// each schema come back under it, and the next start migrates them.
func TestOlderSchema(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := newInstance(t, d)
		newer, _ := in.backup()
		in.must(d.MigrateDown(t.Context()))
		path := filepath.Join(t.TempDir(), "older")
		older, err := Create(t.Context(), path, in.Source)
		in.must(err)
		if older.Schema != db.Newest()-1 {
			t.Fatalf("schema %d", older.Schema)
		}
		target := newTarget(t, d.Dialect())
		target.onStep = func(name string) {
			if name == "filled" || name == "placed "+databaseMember {
				panic(died{})
			}
		}
		func() {
			defer func() { _ = recover() }()
			_, err := Restore(t.Context(), newer, *target)
			t.Errorf("it did not die: %v", err)
		}()
		target.onStep = nil
		if _, err := Restore(t.Context(), path, *target); err != nil {
			t.Fatal(err)
		}
		out := opened(t, target)
		out.must(out.DB.MigrateUp(t.Context()))
		out.sound()
	})
}
