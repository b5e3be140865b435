package job_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/job"
)

// childVariable holds "dialect address" in the process that is to be killed.
const childVariable = "LAYERCAKE_JOB_TEST_CHILD"

// runChild is the body of that process: it takes a job and never ends it.
func runChild() bool {
	dialect, address, ok := strings.Cut(os.Getenv(childVariable), " ")
	if !ok {
		return false
	}
	cfg := db.Config{Path: address}
	if dialect == db.Postgres {
		cfg = db.Config{URL: address}
	}
	ctx := context.Background()
	d, err := db.Open(ctx, cfg)
	if err != nil {
		panic(err)
	}
	q := job.NewQueue(d, job.Options{Logger: quiet})
	job.Handle(q, func(context.Context, ping) error {
		fmt.Println("begun")
		select {}
	})
	if err := q.Start(ctx); err != nil {
		panic(err)
	}
	select {}
}

func TestReclaimAfterKill(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{db.SQLite, db.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			cfg, address := db.Config{}, ""
			if dialect == db.Postgres {
				cfg = dbtest.PostgresConfig(t)
				address = cfg.URL
			} else {
				address = filepath.Join(t.TempDir(), "layercake.db")
				cfg.Path = address
			}
			d, err := db.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			q := newQueue(t, d, job.Options{})
			insert(t, d, q, ping{Project: "survivor"})
			killWhileRunning(t, dialect+" "+address)

			if rows := jobs(t, d); rows[0].State != "running" || rows[0].Attempt != 1 {
				t.Fatalf("after the kill the job is %+v, want running", rows[0])
			}
			if n, err := q.Reclaim(t.Context()); n != 1 || err != nil {
				t.Fatalf("reclaimed %d, %v; want 1", n, err)
			}
			if rows := jobs(t, d); rows[0].State != "available" || rows[0].Attempt != 0 {
				t.Errorf("reclaimed job is %+v, want available at attempt 0", rows[0])
			}
			ran := make(chan ping, 1)
			job.Handle(q, func(_ context.Context, p ping) error { ran <- p; return nil })
			start(t, q)
			if p := await(t, ran, "the reclaimed job"); p.Project != "survivor" {
				t.Errorf("ran %+v", p)
			}
			awaitState(t, d, "completed")
		})
	}
}

func killWhileRunning(t *testing.T, child string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+child)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "begun\n" {
		t.Errorf("child said %q: %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed, which is its error
}
