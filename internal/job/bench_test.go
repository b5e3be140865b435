package job_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/job"
)

func benchDatabases(b *testing.B, fn func(b *testing.B, d *db.DB)) {
	b.Helper()
	for name, open := range map[string]func(testing.TB) *db.DB{db.SQLite: dbtest.SQLite, db.Postgres: dbtest.Postgres} {
		b.Run(name, func(b *testing.B) { fn(b, open(b)) })
	}
}

// BenchmarkPickUp measures the time from a commit to the start of its job, one
// job at a time.
func BenchmarkPickUp(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d *db.DB) {
		q := newQueue(b, d, job.Options{})
		begun := make(chan time.Time, 1)
		job.Handle(q, func(context.Context, ping) error { begun <- time.Now(); return nil })
		start(b, q)
		insert(b, d, q, ping{})
		<-begun
		var waits []time.Duration
		for b.Loop() {
			insert(b, d, q, ping{})
			committed := time.Now()
			waits = append(waits, max(0, (<-begun).Sub(committed)))
		}
		slices.Sort(waits)
		b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(waits[len(waits)*95/100].Microseconds())/1000, "p95-ms")
		b.ReportMetric(float64(waits[len(waits)-1].Microseconds())/1000, "max-ms")
	})
}

// BenchmarkThroughput measures jobs inserted one per transaction by eight
// goroutines and run to their end.
func BenchmarkThroughput(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d *db.DB) {
		q := newQueue(b, d, job.Options{})
		var left sync.WaitGroup
		job.Handle(q, func(context.Context, ping) error { left.Done(); return nil })
		start(b, q)
		left.Add(b.N)
		b.SetParallelism(4)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				insert(b, d, q, ping{})
			}
		})
		left.Wait()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	})
}

// BenchmarkUniqueBesideManyEndedJobs guards against a search that grows with the
// jobs of the last hour.
func BenchmarkUniqueBesideManyEndedJobs(b *testing.B) {
	benchDatabases(b, func(b *testing.B, d *db.DB) {
		q := newQueue(b, d, job.Options{})
		err := d.Write(b.Context(), func(ctx context.Context, tx *db.Tx) error {
			for i := range 20000 {
				if err := q.Insert(ctx, tx, ping{N: i}); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, "UPDATE river_job SET state = 'completed', finalized_at = CURRENT_TIMESTAMP")
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		insert(b, d, q, ping{}, job.Unique())
		for b.Loop() {
			insert(b, d, q, ping{}, job.Unique())
		}
	})
}
