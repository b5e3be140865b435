// Package event keeps the log of what happened to a project: append-only,
// numbered without gaps, each entry carrying the hash of the one before, so that
// a changed, removed, added or reordered entry is found by Verify.
//
// The chain proves that the log is as it was when its head was last known; who
// rewrites the whole log and its head is caught only by a head kept elsewhere,
// such as the one in a signed bundle. Entries name things by id and carry facts,
// never state or secrets.
package event

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/db"
)

// The kinds of an Actor.
const (
	Person   = "person"
	Agent    = "agent"
	Platform = "platform"
	Job      = "job"
)

// Actor is who caused an event.
type Actor struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// String writes an actor as rows and log lines name it: "person:ada".
func (a Actor) String() string { return a.Kind + ":" + a.ID }

// Event is one entry of a project's log.
type Event struct {
	Project string `json:"project"`
	// Seq counts from 1 within the project, without gaps.
	Seq   int64  `json:"seq"`
	Type  string `json:"type"`
	Actor Actor  `json:"actor"`
	// Data is compact JSON.
	Data json.RawMessage `json:"data"`
	At   db.Time         `json:"at"`
	// Prev is the Hash of the entry before, empty for the first.
	Prev string `json:"prev"`
	// Hash is Sum of this entry.
	Hash string `json:"hash"`
}

// Append adds an event to the log of project in the caller's transaction. data
// is encoded as JSON, nil as {}.
//
// The first statement takes the project's head row and holds it until the
// transaction ends: appends to one project run one after the other, and the
// numbers have no gap. So that no two transactions wait for each other on
// PostgreSQL, a transaction changes its other rows first, appends last, and
// appends to one project only.
func Append(ctx context.Context, tx *db.Tx, project string, actor Actor, typ string, data any) (Event, error) {
	e := Event{Project: project, Type: typ, Actor: actor, At: db.Now()}
	if err := e.setData(data); err != nil {
		return Event{}, fmt.Errorf("append event %s: %w", typ, err)
	}
	var head struct {
		Seq  int64  `db:"seq"`
		Hash string `db:"hash"`
	}
	err := tx.One(ctx, &head, `
		INSERT INTO event_heads (project_id, seq, hash) VALUES ($1, 1, '')
		ON CONFLICT (project_id) DO UPDATE SET seq = event_heads.seq + 1
		RETURNING seq, hash`, project)
	if err != nil {
		return Event{}, fmt.Errorf("take event head of %s: %w", project, err)
	}
	e.Seq, e.Prev = head.Seq, head.Hash
	e.Hash = Sum(e)
	_, err = tx.Exec(ctx, `
		INSERT INTO events (project_id, seq, type, actor_kind, actor_id, data, at, prev_hash, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.Project, e.Seq, e.Type, e.Actor.Kind, e.Actor.ID, string(e.Data), e.At, e.Prev, e.Hash)
	if err != nil {
		return Event{}, fmt.Errorf("write event %d of %s: %w", e.Seq, project, err)
	}
	if _, err := tx.Exec(ctx, "UPDATE event_heads SET hash = $2 WHERE project_id = $1", project, e.Hash); err != nil {
		return Event{}, fmt.Errorf("move event head of %s: %w", project, err)
	}
	return e, nil
}

func (e *Event) setData(data any) error {
	for name, text := range map[string]string{
		"project": e.Project, "type": e.Type, "actor kind": e.Actor.Kind, "actor id": e.Actor.ID,
	} {
		// PostgreSQL would refuse these two, SQLite would not.
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return fmt.Errorf("%s is not plain text: %q", name, text)
		}
	}
	if e.Project == "" || e.Type == "" || e.Actor.Kind == "" {
		return errors.New("project, type and actor kind must be given")
	}
	if data == nil {
		data = struct{}{}
	}
	encoded, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode data: %w", err)
	}
	e.Data = encoded
	return nil
}

// Canonical returns the bytes that are hashed: the fields "layercake event 1",
// project, seq, type, actor kind, actor id, data (compact JSON), at (microseconds
// since 1970) and prev, numbers in decimal, each written as its length in bytes,
// a colon, the bytes, and a comma. No two different events share them.
func Canonical(e Event) []byte {
	var data bytes.Buffer
	if json.Compact(&data, e.Data) != nil {
		data.Reset()
		data.Write(e.Data)
	}
	var out bytes.Buffer
	for _, field := range []string{
		"layercake event 1", e.Project, strconv.FormatInt(e.Seq, 10), e.Type, e.Actor.Kind, e.Actor.ID,
		data.String(), strconv.FormatInt(e.At.UnixMicro(), 10), e.Prev,
	} {
		out.WriteString(strconv.Itoa(len(field)))
		out.WriteByte(':')
		out.WriteString(field)
		out.WriteByte(',')
	}
	return out.Bytes()
}

// Sum returns the SHA-256 of the canonical bytes of e, in lower-case hexadecimal.
func Sum(e Event) string {
	sum := sha256.Sum256(Canonical(e))
	return hex.EncodeToString(sum[:])
}

type row struct {
	Project   string  `db:"project_id"`
	Seq       int64   `db:"seq"`
	Type      string  `db:"type"`
	ActorKind string  `db:"actor_kind"`
	ActorID   string  `db:"actor_id"`
	Data      string  `db:"data"`
	At        db.Time `db:"at"`
	Prev      string  `db:"prev_hash"`
	Hash      string  `db:"hash"`
}

// MaxLimit is the most events one call of Since returns.
const MaxLimit = 1000

// All returns every event of a project, oldest first.
func All(ctx context.Context, tx *db.Tx, projectID string) ([]Event, error) {
	var out []Event
	for {
		var last int64
		if n := len(out); n > 0 {
			last = out[n-1].Seq
		}
		page, err := Since(ctx, tx, projectID, last, MaxLimit)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if len(page) < MaxLimit {
			return out, nil
		}
	}
}

// Since returns the events of project after number seq, oldest first, at most
// limit of them (MaxLimit when limit is not between 1 and MaxLimit).
func Since(ctx context.Context, tx *db.Tx, project string, seq int64, limit int) ([]Event, error) {
	if limit < 1 || limit > MaxLimit {
		limit = MaxLimit
	}
	var rows []row
	err := tx.All(ctx, &rows, `
		SELECT project_id, seq, type, actor_kind, actor_id, data, at, prev_hash, hash
		FROM events WHERE project_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`, project, seq, limit)
	if err != nil {
		return nil, fmt.Errorf("read events of %s: %w", project, err)
	}
	events := make([]Event, len(rows))
	for i, r := range rows {
		events[i] = Event{
			Project: r.Project, Seq: r.Seq, Type: r.Type, Actor: Actor{r.ActorKind, r.ActorID},
			Data: json.RawMessage(r.Data), At: r.At, Prev: r.Prev, Hash: r.Hash,
		}
	}
	return events, nil
}

// Forget removes the log of a project that was deleted.
func Forget(ctx context.Context, tx *db.Tx, project string) error {
	for _, statement := range []string{`DELETE FROM events WHERE project_id = $1`, `DELETE FROM event_heads WHERE project_id = $1`} {
		if _, err := tx.Exec(ctx, statement, project); err != nil {
			return fmt.Errorf("forget events of %s: %w", project, err)
		}
	}
	return nil
}

// Head returns the number and hash of the last event of project, 0 and "" when
// it has none.
func Head(ctx context.Context, tx *db.Tx, project string) (seq int64, hash string, err error) {
	var head struct {
		Seq  int64  `db:"seq"`
		Hash string `db:"hash"`
	}
	err = tx.One(ctx, &head, "SELECT seq, hash FROM event_heads WHERE project_id = $1", project)
	if errors.Is(err, db.ErrNoRow) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("read event head of %s: %w", project, err)
	}
	return head.Seq, head.Hash, nil
}
