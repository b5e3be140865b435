package sandbox

import (
	"context"
	"fmt"
	"time"
)

// Run runs one command to its end. A command that fails or passes a limit is a
// Result, not an error. Errors are: fault.Unavailable "sandbox.missing",
// fault.Invalid for a wrong Spec, fault.NotFound "sandbox.command" for a
// program that is not there, the first error of a writer, and ctx's error when
// it is cancelled. Whatever it returns, nothing the command started is alive.
func (s *Sandbox) Run(ctx context.Context, spec Spec) (Result, error) {
	result := Result{ExitCode: -1, Isolation: s.Isolation()}
	if err := s.Check(); err != nil {
		return result, err
	}
	spec, err := spec.checked()
	if err != nil {
		return result, err
	}
	if err := ctx.Err(); err != nil {
		return result, fmt.Errorf("run %s: %w", spec.Argv[0], err)
	}
	out := newMeter(spec.Limits.Output)
	begin := time.Now()
	p, err := s.engine.start(job{spec: spec, meter: out})
	if err != nil {
		return result, err
	}
	timer := time.NewTimer(spec.Limits.Time)
	defer timer.Stop()
	cancelled := false
	select {
	case <-p.done:
	case <-out.stop:
	case <-timer.C:
		result.TimedOut = true
	case <-ctx.Done():
		cancelled = true
	}
	p.kill()
	<-p.done
	result.Duration = time.Since(begin)
	result.ExitCode, result.OOM = p.code, p.oom.Load()
	var werr error
	result.OutputCut, werr = out.outcome()
	if result.TimedOut || result.OutputCut {
		// The command may have ended by itself before the signal reached it,
		// even with success when only its writing children met the closed pipe.
		result.ExitCode = 128 + 9
	}
	switch {
	case cancelled:
		return result, fmt.Errorf("run %s: %w", spec.Argv[0], ctx.Err())
	case werr != nil:
		return result, fmt.Errorf("pass on output of %s: %w", spec.Argv[0], werr)
	}
	return result, p.err
}
