package event

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
)

// Broken says where a log stops being what was written, and how it shows.
type Broken struct {
	Project string
	// Seq is the first event number that cannot be trusted.
	Seq    int64
	Reason string
}

// Error names the event and the reason.
func (b *Broken) Error() string {
	return fmt.Sprintf("the log of %s is broken at event %d: %s", b.Project, b.Seq, b.Reason)
}

// Unwrap makes every Broken the fault "event.broken".
func (b *Broken) Unwrap() error {
	return fault.Conflict("event.broken",
		"The log of %s is broken at event %d: %s. Do not trust what it says from there on; restore a backup and compare.",
		b.Project, b.Seq, b.Reason)
}

// Verify checks the whole log of project and returns nil or a *Broken for the
// first event that is changed, missing, foreign or cut off.
func Verify(ctx context.Context, tx *db.Tx, project string) error {
	headSeq, headHash, err := Head(ctx, tx, project)
	if err != nil {
		return err
	}
	c := chain{project: project}
	for {
		events, err := Since(ctx, tx, project, c.seq, MaxLimit)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := c.add(e); err != nil {
				return err
			}
			if !isCompact(e.Data) {
				return c.broken(e.Seq, "its data was rewritten")
			}
		}
		if len(events) < MaxLimit {
			return c.end(headSeq, headHash)
		}
	}
}

// VerifyList is Verify over exported events, oldest first, against a head that
// is known from elsewhere. Indented data counts as the same data.
func VerifyList(events []Event, headSeq int64, headHash string) error {
	var c chain
	for _, e := range events {
		if c.seq == 0 {
			c.project = e.Project
		}
		if err := c.add(e); err != nil {
			return err
		}
	}
	return c.end(headSeq, headHash)
}

// chain is how far a log has been found sound.
type chain struct {
	project string
	seq     int64
	hash    string
}

func (c *chain) broken(seq int64, format string, args ...any) error {
	return &Broken{Project: c.project, Seq: seq, Reason: fmt.Sprintf(format, args...)}
}

func (c *chain) add(e Event) error {
	next := c.seq + 1
	switch {
	case e.Seq > next:
		return c.broken(next, "it is missing, the next one found is %d", e.Seq)
	case e.Seq < next:
		return c.broken(next, "number %d stands in its place", e.Seq)
	case e.Prev != c.hash:
		return c.broken(next, "it does not follow from the event before it")
	case e.Hash != Sum(e):
		return c.broken(next, "its content does not match its hash")
	}
	c.seq, c.hash = e.Seq, e.Hash
	return nil
}

func (c *chain) end(headSeq int64, headHash string) error {
	switch {
	case headSeq > c.seq:
		return c.broken(c.seq+1, "the log ends before it, the head says %d events", headSeq)
	case headSeq < c.seq:
		return c.broken(headSeq+1, "it comes after the head, which says %d events", headSeq)
	case headHash != c.hash:
		return c.broken(c.seq, "its hash is not the one the head names")
	}
	return nil
}

func isCompact(data json.RawMessage) bool {
	var out bytes.Buffer
	return json.Compact(&out, data) == nil && bytes.Equal(out.Bytes(), data)
}
