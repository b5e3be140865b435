package job

import (
	"context"
	"database/sql"

	"github.com/riverqueue/river/riverdriver"
)

// insertTopic and insertPayload are what River sends itself when a job arrives.
const (
	insertTopic   = "river_insert"
	insertPayload = `{"queue":"default"}`
)

// liteDriver is River's SQLite driver with the notifications replaced. River
// would write each into a table and poll that every 50 ms through the one
// writing connection; here the process that inserts is the one that works, so a
// channel does it sooner and for nothing.
type liteDriver struct {
	riverdriver.Driver[*sql.Tx]
	wake chan struct{}
}

// GetListener implements riverdriver.Driver.
func (d liteDriver) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener {
	return listener{d.wake}
}

// SupportsListenNotify implements riverdriver.Driver: nothing is written to the
// notification table.
func (liteDriver) SupportsListenNotify() bool { return false }

type listener struct{ wake chan struct{} }

// Close implements riverdriver.Listener.
func (listener) Close(context.Context) error { return nil }

// Connect implements riverdriver.Listener.
func (listener) Connect(context.Context) error { return nil }

// Listen implements riverdriver.Listener.
func (listener) Listen(context.Context, string) error { return nil }

// Unlisten implements riverdriver.Listener.
func (listener) Unlisten(context.Context, string) error { return nil }

// Ping implements riverdriver.Listener.
func (listener) Ping(context.Context) error { return nil }

// Schema implements riverdriver.Listener.
func (listener) Schema() string { return "" }

// SetAfterConnectExec implements riverdriver.Listener.
func (listener) SetAfterConnectExec(string) {}

// WaitForNotification implements riverdriver.Listener; it waits for nudge.
func (l listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.wake:
		return &riverdriver.Notification{Topic: insertTopic, Payload: insertPayload}, nil
	}
}

// nudge wakes the worker of this process; one wake-up pending is enough.
func (q *Queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
