// Package backup writes a whole instance into one file while it is at work, and
// makes it again from that file in an empty place: the rows, the repositories,
// the stored files, and the keys, which are sealed with a passphrase.
//
// What a backup holds is one moment of the database, and at least all that its
// rows name. References follow rows and are read before them; objects and stored
// files are written before the rows that name them, and are read after them. A
// file appears under its name when it is complete and on the disk. A restore
// believes nothing that it has not held against the list of contents, and is an
// instance only after its last step: until then nothing starts on it, and another
// restore begins anew.
package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"syscall"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/job"
)

// Format is the version of the file's layout. A file of a newer one is refused.
const Format = 1

// The members of a backup that have a name of their own. The header is the first
// member and the contents are the last; what is below them is named after what
// it is.
const (
	headerMember   = "layercake-backup.json"
	databaseMember = "layercake.db"
	keyMember      = "access.key.sealed"
	contentsMember = "contents.json"
	tableFolder    = "tables/"
	repoFolder     = "repositories/"
	blobFolder     = "blobs/"
)

// Header says what a backup is of, before anything else is read from it.
type Header struct {
	Format   int             `json:"format"`
	Program  string          `json:"program"` // the version of LayerCake that wrote it
	At       time.Time       `json:"at"`
	Database string          `json:"database"` // db.SQLite or db.Postgres
	Schema   int64           `json:"schema"`
	Queue    int64           `json:"queueSchema"`
	Projects int64           `json:"projects"`
	Users    int64           `json:"users"`
	Events   int64           `json:"events"`
	Heads    map[string]Head `json:"heads"` // by project
	Tables   []db.Table      `json:"tables,omitempty"`
}

// Head is the last event of a project.
type Head struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

// Member is a file within a backup.
type Member struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// contents is the last member: all others in order.
type contents struct {
	Members []Member `json:"members"`
}

// Summary is what was backed up or restored.
type Summary struct {
	Header
	Repositories int
	Blobs        int
	Damaged      []string // stored files that are not what their name says, and were not before
	Keys         bool     // the keys are part of it
	Bytes        int64    // of the members together
	Size         int64    // of the file
}

// describe reads what a header says of a database.
func describe(ctx context.Context, tx *db.Tx, h *Header) (err error) {
	if h.Schema, err = db.Schema(ctx, tx); err != nil {
		return err
	}
	if h.Queue, err = job.Schema(ctx, tx); err != nil {
		return err
	}
	for _, c := range []struct {
		since int64 // the schema that has the table
		table string
		into  *int64
	}{{1, "events", &h.Events}, {2, "projects", &h.Projects}, {3, "users", &h.Users}} {
		if h.Schema < c.since {
			continue
		}
		if err := tx.One(ctx, c.into, "SELECT COUNT(*) FROM "+c.table); err != nil {
			return err
		}
	}
	h.Heads = map[string]Head{}
	if h.Schema < 1 {
		return nil
	}
	var heads []struct {
		Project string `db:"project_id"`
		Seq     int64  `db:"seq"`
		Hash    string `db:"hash"`
	}
	if err := tx.All(ctx, &heads, "SELECT project_id, seq, hash FROM event_heads"); err != nil {
		return err
	}
	for _, e := range heads {
		h.Heads[e.Project] = Head{Seq: e.Seq, Hash: e.Hash}
	}
	return nil
}

// same reports whether a database is the one that the header describes.
func (h *Header) same(found Header) bool {
	return h.Schema == found.Schema && h.Queue == found.Queue && h.Projects == found.Projects && h.Users == found.Users &&
		h.Events == found.Events && maps.Equal(h.Heads, found.Heads)
}

// full names a full disk.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || fault.KindOf(err) == fault.KindFull {
		return fault.Full("backup.full", "The disk is full. Free some space, or name another place, and run the same command again: it begins anew.").Because(err)
	}
	return err
}

// damaged is a backup of which something cannot be believed.
func damaged(format string, args ...any) *fault.Error {
	return fault.Invalid("backup.damaged", "The backup is damaged, cut short or was changed: %s. Nothing was restored. Take another copy of it.", fmt.Sprintf(format, args...))
}
