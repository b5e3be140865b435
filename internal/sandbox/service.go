package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// ServiceSpec is a program that serves HTTP on 127.0.0.1:Port inside its
// sandbox. PORT is set for it unless Env does. Limits.Time zero means until
// Stop, and Limits.Output is not used: the newest output is in Logs, all of it
// goes to Stdout and Stderr where they are set.
type ServiceSpec struct {
	Spec
	Port int
}

// Service is a running program without a network, reached through a relay: a
// process of ours beside it in the sandbox, to which the host hands connected
// sockets. There is no socket file that anyone could replace. The program
// shares the sandbox with the relay and may answer in its place, so all that
// comes back is untrusted bytes.
type Service struct {
	process *process
	logs    *ring
	client  *http.Client
	stop    chan struct{}
	once    sync.Once
	done    chan struct{}

	mu    sync.Mutex // one sender at a time
	relay *relayLink

	result Result
	err    error
}

const (
	logBytes = int(256 * kib)
	// stopGrace is how long a program may take to end after SIGTERM.
	stopGrace = 5 * time.Second
)

// Start starts a service; it does not wait for it to answer (see Ready). ctx
// bounds the whole life of the service, which ends when ctx does, when the
// program does, or by Stop. The program that calls it must call MaybeRelay
// first thing in main. Errors are those of Run.
func (s *Sandbox) Start(ctx context.Context, spec ServiceSpec) (*Service, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if spec.Port < 1 || spec.Port > 65535 {
		return nil, fault.Invalid("sandbox.port", "The port %d must be between 1 and 65535.", spec.Port)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start service: %w", err)
	}
	if !slices.ContainsFunc(spec.Env, func(v string) bool { return strings.HasPrefix(v, "PORT=") }) {
		spec.Env = append([]string{"PORT=" + strconv.Itoa(spec.Port)}, spec.Env...)
	}
	limit := spec.Limits.Time
	if limit == 0 {
		limit = math.MaxInt64
	}
	inner, err := spec.checked()
	if err != nil {
		return nil, err
	}
	v := &Service{logs: newRing(logBytes), stop: make(chan struct{}), done: make(chan struct{})}
	inner.Stdout, inner.Stderr = tee(v.logs, inner.Stdout), tee(v.logs, inner.Stderr)
	link, program, err := newRelay(inner.Argv, spec.Port)
	if err != nil {
		return nil, err
	}
	inner.Argv = program.argv
	inner.Mounts = append(inner.Mounts, program.mount)
	out := newMeter(math.MaxInt64)
	v.process, err = s.engine.start(job{spec: inner, meter: out, inherit: program.end})
	_ = program.end.Close()
	if err != nil {
		link.close()
		return nil, err
	}
	v.relay = link
	v.client = &http.Client{
		Transport: &http.Transport{
			DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return v.Dial(ctx) },
			MaxResponseHeaderBytes: mib,
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	v.result.Isolation = s.Isolation()
	go v.supervise(ctx, limit, out)
	return v, nil
}

func tee(logs *ring, w io.Writer) io.Writer {
	if w == nil {
		return logs
	}
	return io.MultiWriter(logs, w)
}

func (v *Service) supervise(ctx context.Context, limit time.Duration, out *meter) {
	begin := time.Now()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-v.process.done:
	case <-out.stop:
	case <-timer.C:
		v.result.TimedOut = true
	case <-ctx.Done():
	case <-v.stop:
		// The relay takes the end of its link as the word to stop.
		v.closeLink()
		grace := time.NewTimer(stopGrace + time.Second)
		defer grace.Stop()
		select {
		case <-v.process.done:
		case <-grace.C:
		}
	}
	v.process.kill()
	<-v.process.done
	v.closeLink()
	v.client.CloseIdleConnections()
	v.result.Duration = time.Since(begin)
	v.result.ExitCode, v.result.OOM = v.process.code, v.process.oom.Load()
	_, werr := out.outcome()
	v.err = errors.Join(v.process.err, werr)
	close(v.done)
}

func (v *Service) closeLink() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.relay.close()
}

// Dial opens a connection to the program's port. While the program does not
// listen the connection ends at once; after the service has ended it is
// fault.Unavailable "sandbox.service".
func (v *Service) Dial(ctx context.Context) (net.Conn, error) {
	select {
	case <-v.done:
		return nil, notRunning()
	default:
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	conn, err := v.relay.dial(ctx)
	if err != nil && ctx.Err() == nil {
		return nil, notRunning().Because(err)
	}
	return conn, err
}

func notRunning() *fault.Error {
	return fault.Unavailable("sandbox.service", "The application is not running. Look at its log, and start it again.")
}

// Client returns the service's HTTP client: every URL, whatever its host, goes
// to the program; redirects are returned, not followed; the caller limits how
// much of a body it reads.
func (v *Service) Client() *http.Client { return v.client }

// Ready waits until a GET of path answers with a 2xx status. It is
// fault.Unavailable: "sandbox.app_ended" with the exit code when the program
// ends first, "sandbox.app_silent" with the last answer after timeout.
func (v *Service) Ready(ctx context.Context, path string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errSilent)
	defer cancel()
	last := "nothing"
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		status, err := v.get(ctx, path)
		switch {
		case err == nil && status/100 == 2:
			return nil
		case err == nil:
			last = fmt.Sprintf("status %d", status)
		}
		timer := time.NewTimer(pause)
		select {
		case <-v.done:
			timer.Stop()
			return fault.Unavailable("sandbox.app_ended",
				"The application ended with exit code %d before it answered %s. Its log says more.", v.ExitCode(), path).Because(v.err)
		case <-ctx.Done():
			timer.Stop()
			if !errors.Is(context.Cause(ctx), errSilent) {
				return fmt.Errorf("wait for application: %w", ctx.Err())
			}
			return fault.Unavailable("sandbox.app_silent",
				"The application did not answer %s with success within %s; its last answer was %s. "+
					"It must listen on 127.0.0.1:$PORT.", path, timeout, last)
		case <-timer.C:
		}
	}
}

var errSilent = errors.New("no answer in time")

func (v *Service) get(ctx context.Context, path string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/"+strings.TrimPrefix(path, "/"), nil)
	if err != nil {
		return 0, fmt.Errorf("ask application: %w", err)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask application: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64*kib)
	return resp.StatusCode, nil
}

// Logs returns the newest 256 KiB of the program's output, both streams as
// they came.
func (v *Service) Logs() string { return v.logs.String() }

// Done is closed when the service has ended and nothing of it is alive.
func (v *Service) Done() <-chan struct{} { return v.done }

// ExitCode returns the program's exit code as in Result, -1 while it runs.
func (v *Service) ExitCode() int {
	select {
	case <-v.done:
		return v.result.ExitCode
	default:
		return -1
	}
}

// Wait waits for the end of the service, or of ctx, and says how it ended.
func (v *Service) Wait(ctx context.Context) (Result, error) {
	select {
	case <-v.done:
		return v.result, v.err
	case <-ctx.Done():
		return Result{ExitCode: -1}, fmt.Errorf("wait for application: %w", ctx.Err())
	}
}

// Stop ends the service: SIGTERM to the program, and after five seconds SIGKILL
// to all. When it returns nothing is alive; it may be called at any time, also
// more than once.
func (v *Service) Stop() {
	v.once.Do(func() { close(v.stop) })
	<-v.done
}
