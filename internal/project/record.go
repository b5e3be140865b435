package project

import (
	"context"

	"github.com/layercake-app/layercake/internal/bus"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
)

// Platform is the actor of what LayerCake does by itself.
var Platform = event.Actor{Kind: "platform", ID: "layercake"}

// Recorder appends to a project's event log and tells subscribers after the
// transaction has committed.
type Recorder struct {
	Bus *bus.Bus
}

// Add appends one event and returns it; the bus hears of it after the commit.
func (r Recorder) Add(ctx context.Context, tx *db.Tx, projectID string, actor event.Actor, typ string, data any) (event.Event, error) {
	e, err := event.Append(ctx, tx, projectID, actor, typ, data)
	if err != nil {
		return e, err
	}
	tx.OnCommit(func() { r.Bus.Publish(Channel(projectID), e) })
	return e, nil
}

// Channel is the bus channel of a project's events.
func Channel(projectID string) string { return "project:" + projectID }

// HaltChannel is the bus channel on which turns of a project hear that they may have
// been halted.
func HaltChannel(projectID string) string { return "halt:" + projectID }

// RunChannel is the bus channel of a run's streamed text.
func RunChannel(runID string) string { return "run:" + runID }
