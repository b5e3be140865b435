package job

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/layercake-app/layercake/internal/fault"
)

// HandleOption changes how jobs of one kind are run.
type HandleOption func(*handling)

type handling struct{ timeout time.Duration }

// Timeout ends the context of each job of the kind after d.
func Timeout(d time.Duration) HandleOption { return func(h *handling) { h.timeout = d } }

// Handle registers fn for the jobs of T's kind; call it before Start, once per
// kind. An error that fn returns has the job tried again, unless it is a Cancel.
func Handle[T Args](q *Queue, fn func(ctx context.Context, args T) error, opts ...HandleOption) {
	h := handling{timeout: q.opts.Timeout}
	for _, opt := range opts {
		opt(&h)
	}
	q.longest = max(q.longest, h.timeout)
	river.AddWorker(q.workers, &worker[T]{fn: fn, timeout: h.timeout})
}

// Cancel returns an error that ends a job for good: it is not tried again.
func Cancel(err error) error { return river.JobCancel(err) }

type worker[T Args] struct {
	river.WorkerDefaults[T]
	fn      func(ctx context.Context, args T) error
	timeout time.Duration
}

// Work implements river.Worker.
func (w *worker[T]) Work(ctx context.Context, job *river.Job[T]) error { return w.fn(ctx, job.Args) }

// Timeout implements river.Worker.
func (w *worker[T]) Timeout(*river.Job[T]) time.Duration { return w.timeout }

type retryPolicy struct {
	pause func(failed int) time.Duration
}

// NextRetry implements river.ClientRetryPolicy.
func (p retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(p.pause(max(job.Attempt, 1)))
}

// failureLog tells the log of failed attempts, which River itself reports only
// at a level nobody reads, and Options.GivenUp of those that no further attempt
// will mend: the last one, and one for which the disk was full, when not even the
// failure may be written down.
type failureLog struct {
	log     *slog.Logger
	givenUp func(kind string, err error)
}

// HandleError implements river.ErrorHandler.
func (f failureLog) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	if job.Attempt >= job.MaxAttempts {
		f.log.ErrorContext(ctx, "job given up", attributes(job, slog.Any("error", err))...)
	} else {
		f.log.WarnContext(ctx, "job failed, will be tried again", attributes(job, slog.Any("error", err))...)
	}
	if f.givenUp != nil && (job.Attempt >= job.MaxAttempts || fault.KindOf(err) == fault.KindFull) {
		f.givenUp(job.Kind, err)
	}
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (f failureLog) HandlePanic(ctx context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	f.log.ErrorContext(ctx, "job panicked", attributes(job, slog.Any("panic", value), slog.String("trace", trace))...)
	if job.Attempt >= job.MaxAttempts && f.givenUp != nil {
		f.givenUp(job.Kind, fmt.Errorf("panic: %v", value))
	}
	return nil
}

func attributes(job *rivertype.JobRow, more ...any) []any {
	return append([]any{
		slog.String("kind", job.Kind), slog.Int64("job", job.ID),
		slog.Int("attempt", job.Attempt), slog.Int("of", job.MaxAttempts),
	}, more...)
}

// warnings lets River's own warnings and errors through to the handler below as
// information: they speak of its parts, and what of it concerns a job is told by
// failureLog.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, slog.LevelInfo)
}

// Handle implements slog.Handler.
func (w warnings) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelInfo
	return w.Handler.Handle(ctx, r) //nolint:wrapcheck // a handler hands on what the next one says
}

// WithAttrs implements slog.Handler.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
