package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const passphrase = secret.Text("correct horse battery")

var quiet = slog.New(slog.DiscardHandler)

// instance is one as it is while somebody works in it, without the agents.
type instance struct {
	*testing.T
	Source
	repos *repo.Store
	blobs *blob.Dir
	queue *job.Queue
}

type chore struct{ Text string }

func (chore) Kind() string { return "chore" }

// newInstance has one project, whose texts are hard to write down, two commits,
// a tag, a stored file, a job and a key.
func newInstance(t *testing.T, d *db.DB) *instance {
	t.Helper()
	in := &instance{T: t, Source: Source{DB: d, Data: t.TempDir(), Program: "v1.2.3", Passphrase: passphrase}}
	in.queue = job.NewQueue(d, job.Options{Logger: quiet})
	in.must(in.queue.Migrate(t.Context()))
	var err error
	in.repos, err = repo.Open(filepath.Join(in.Data, "repos"))
	in.must(err)
	t.Cleanup(func() { in.must(in.repos.Close()) })
	in.blobs, err = blob.OpenDir(filepath.Join(in.Data, "blobs"))
	in.must(err)
	in.must(os.WriteFile(filepath.Join(in.Data, keyFile), []byte("the key that signs"), 0o600))
	id := in.project("tab\t, line\nend, \\N, \"quotes\", ünïcödé 🪴 and\n\\.\n")
	in.work(id, "a")
	in.work(id, "b")
	commit := in.head(id)
	in.must(in.repos.Repo(id).Tag(t.Context(), "gate/G1", commit, "approved", someone, time.Unix(1, 0)))
	return in
}

var someone = repo.Signature{Name: "Ada", Email: "ada@example.org"}

func (in *instance) must(err error) {
	in.Helper()
	if err != nil {
		in.Fatal(err)
	}
}

// project begins one as the platform does.
func (in *instance) project(idea string) string {
	in.Helper()
	p := project.Project{Name: "Plants", Idea: idea, Type: "traditional", Mode: "local_only", Tier: "standard", Teaching: "expert", Blueprint: "express"}
	in.must(in.DB.Write(in.Context(), func(ctx context.Context, tx *db.Tx) error { return project.Create(ctx, tx, &p) }))
	_, err := in.repos.Create(in.Context(), p.ID)
	in.must(err)
	return p.ID
}

func (in *instance) head(id string) string {
	in.Helper()
	var p project.Project
	in.must(in.DB.Read(in.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		p, err = project.Get(ctx, tx, id)
		return err
	}))
	return p.Head
}

// work adds a commit as the platform does: the objects and the stored file first,
// then the rows, then the reference.
func (in *instance) work(id, text string) {
	in.Helper()
	r := in.repos.Repo(id)
	before := in.head(id)
	commit, err := r.Commit(in.Context(), repo.CommitSpec{
		Parent: before, Put: map[string][]byte{"notes/" + text + ".txt": []byte(text)}, Author: someone, Message: text, When: time.Unix(2, 0),
	})
	in.must(err)
	_, err = in.blobs.Put(in.Context(), []byte("log of "+text))
	in.must(err)
	in.must(in.DB.Write(in.Context(), func(ctx context.Context, tx *db.Tx) error {
		if _, err := project.MoveHead(ctx, tx, project.Move{Project: id, From: before, To: commit, Kind: "platform", Actor: project.Platform}); err != nil {
			return err
		}
		if err := in.queue.Insert(ctx, tx, chore{text}); err != nil {
			return err
		}
		_, err := event.Append(ctx, tx, id, event.Actor{Kind: event.Person, ID: "os:ada"}, "noted", map[string]string{"text": text})
		return err
	}))
	in.must(r.SetRef(in.Context(), repo.MainRef, commit))
}

// backup backs the instance up into a new file.
func (in *instance) backup() (string, Summary) {
	in.Helper()
	path := filepath.Join(in.TempDir(), "layercake.backup")
	sum, err := Create(in.Context(), path, in.Source)
	in.must(err)
	return path, sum
}

// newTarget is an empty place for a backup of a database of the same kind.
func newTarget(t *testing.T, dialect string) *Target {
	t.Helper()
	target := &Target{Data: t.TempDir(), Program: "v1.0.0", Passphrase: passphrase, Log: quiet}
	if dialect == db.Postgres {
		target.DB = empty(t)
	}
	return target
}

func empty(t *testing.T) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), dbtest.PostgresConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// opened is the instance that a target has become.
func opened(t *testing.T, target *Target) *instance {
	t.Helper()
	d := target.DB
	if d == nil {
		var err error
		if d, err = db.Open(t.Context(), db.Config{Path: filepath.Join(target.Data, databaseMember)}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	in := &instance{T: t, Source: Source{DB: d, Data: target.Data, Program: target.Program, Passphrase: passphrase}, queue: job.NewQueue(d, job.Options{Logger: quiet})}
	var err error
	in.repos, err = repo.Open(filepath.Join(in.Data, "repos"))
	in.must(err)
	t.Cleanup(func() { in.must(in.repos.Close()) })
	in.blobs, err = blob.OpenDir(filepath.Join(in.Data, "blobs"))
	in.must(err)
	return in
}

// sound checks that all heads are there with every object they reach.
func (in *instance) sound() {
	in.Helper()
	var all []project.Project
	in.must(in.DB.Read(in.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = project.List(ctx, tx)
		return err
	}))
	for _, p := range all {
		if p.Head == "" {
			continue // it has just begun
		}
		r := in.repos.Repo(p.ID)
		in.must(r.Check(in.Context(), p.Head))
		main, err := r.Show(in.Context(), repo.MainRef)
		if fault.CodeOf(err) == "repo.ref" {
			continue // it follows the rows
		}
		in.must(err)
		if within, err := r.IsAncestor(in.Context(), main, p.Head); err != nil || !within {
			in.Errorf("main of %s is ahead of its head: %v", p.ID, err)
		}
	}
}

// packed is one member of an archive, for those who want to change it.
type packed struct {
	tar.Header
	content []byte
}

func unpackAll(t *testing.T, path string) []packed {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	plain, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	var all []packed
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, packed{*h, content})
	}
}

// packAll writes members as an archive. With honest, the list of contents is made
// anew, as whoever forges a backup would.
func packAll(t *testing.T, members []packed, honest bool) []byte {
	t.Helper()
	if honest {
		var list contents
		for _, m := range members {
			if m.Name != contentsMember {
				sum := sha256.Sum256(m.content)
				list.Members = append(list.Members, Member{m.Name, int64(len(m.content)), hex.EncodeToString(sum[:])})
			}
		}
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		members = slices.Clone(members)
		for i := range members {
			if members[i].Name == contentsMember {
				members[i].content = text
			}
		}
	}
	var out bytes.Buffer
	plain, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(plain)
	for _, m := range members {
		h := m.Header
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(m.content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if _, err := w.Write(m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), plain.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// written puts an archive into a file.
func written(t *testing.T, archive []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "forged.backup")
	if err := os.WriteFile(path, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
