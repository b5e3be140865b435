package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/fault"
)

// engine starts sandboxes; probe found out what it may use.
type engine struct {
	bwrap string
	// groups is nil where no cgroup can be made.
	groups *cgroups
	// seal: the device nodes must be made read-only first.
	seal bool
	// nproc: RLIMIT_NPROC counts the processes of one sandbox only.
	nproc bool
}

// process is a sandbox at work.
type process struct {
	// done is closed when nothing of it is alive and its output has been passed on.
	done   chan struct{}
	killed atomic.Bool
	oom    atomic.Bool

	mu    sync.Mutex
	first int // pidfd of the sandbox's first process, -1 once it is gone

	// Set before done is closed.
	code int
	err  error
}

// kill ends the sandbox; done follows. The kernel takes every process of the
// pid namespace down with the first one, daemons included.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first >= 0 {
		p.killed.Store(true)
		_ = unix.PidfdSendSignal(p.first, unix.SIGKILL, nil, 0)
	}
}

// start returns once the command has been let go.
func (e *engine) start(j job) (*process, error) {
	p := &process{done: make(chan struct{}), first: -1}
	started := make(chan error, 1)
	onThread(func() {
		c, err := e.spawn(j)
		if err != nil {
			started <- err
			return
		}
		if err := c.release(e, p); err != nil {
			c.abort()
			c.wait(p)
			started <- c.explain(err)
			return
		}
		started <- nil
		c.wait(p)
		p.code, p.err = c.verdict(p)
		close(p.done)
	})
	return p, <-started
}

// child is a started bubblewrap as its thread sees it.
type child struct {
	job     job
	monitor *os.Process
	state   *os.ProcessState
	status  *os.File
	reports *json.Decoder
	block   *os.File
	stdin   *os.File
	outputs []*os.File
	group   *group
	head    []byte // what the command wrote to stderr first
	drains  sync.WaitGroup
	fed     chan struct{}
	ended   chan struct{}
}

// release waits for the sandbox's first process, takes hold of it, limits it,
// and lets the command start.
func (c *child) release(e *engine, p *process) error {
	if err := c.status.SetReadDeadline(time.Now().Add(startDeadline)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	var born struct {
		PID int `json:"child-pid"`
	}
	if err := c.reports.Decode(&born); err != nil {
		return fmt.Errorf("start bubblewrap: %w", err)
	}
	fd, err := unix.PidfdOpen(born.PID, 0)
	if err != nil {
		return fmt.Errorf("open sandbox process: %w", err)
	}
	p.mu.Lock()
	p.first = fd
	p.mu.Unlock()
	if parent, err := parentOf(born.PID); err != nil || parent != c.monitor.Pid {
		// Not ours: the sandbox has already ended and the number is reused.
		p.forget()
		return fmt.Errorf("sandbox ended while starting: %w", errors.Join(err, os.ErrProcessDone))
	}
	if err := limitProcess(born.PID, c.job.spec.Limits, e.nproc && !c.group.limits("pids")); err != nil {
		return err
	}
	if !c.group.limits("memory") {
		c.drains.Go(func() { sample(p, born.PID, c.job.spec.Limits.Memory, c.ended) })
	}
	if _, err := c.block.Write([]byte{0}); err != nil {
		return fmt.Errorf("release sandbox: %w", err)
	}
	return nil
}

// The deadlines are for what should take milliseconds, on a machine that has
// none to spare; only a broken one reaches them.
const (
	startDeadline = time.Minute
	endDeadline   = time.Minute
	// feedDeadline is how long a Stdin may still be read after the end.
	feedDeadline = time.Second
)

// abort ends a sandbox that never got to its command.
func (c *child) abort() {
	c.group.kill()
	_ = c.monitor.Kill()
}

// wait returns when the monitor, every process of the namespace, the output
// and the cgroup are gone. It must run on the thread that started the monitor.
func (c *child) wait(p *process) {
	c.state, _ = c.monitor.Wait()
	close(c.ended)
	p.finish()
	p.reap()
	c.group.kill()
	// With everybody dead only what is in the pipes is left, unless a command
	// has passed its end to a process of another sandbox.
	for _, f := range c.outputs {
		_ = f.SetReadDeadline(time.Now().Add(endDeadline))
	}
	_ = c.stdin.Close()
	_ = c.block.Close()
	c.drains.Wait()
	select {
	case <-c.fed:
	case <-time.After(feedDeadline):
	}
	if c.group.oomKilled() {
		p.oom.Store(true)
	}
	c.group.remove()
}

// finish makes sure of the namespace without marking the run as killed: when
// the command has ended by itself, its daemons have not.
func (p *process) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first >= 0 {
		_ = unix.PidfdSendSignal(p.first, unix.SIGKILL, nil, 0)
	}
}

// reap waits for the first process, whose end the kernel reports only after
// all others of its namespace are gone. Where the server itself is the
// machine's first process, the orphan is its child by now and must be reaped.
func (p *process) reap() {
	if p.first < 0 {
		return
	}
	deadline := time.Now().Add(endDeadline)
	for time.Now().Before(deadline) {
		fds := []unix.PollFd{{Fd: int32(p.first), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, int(endDeadline.Milliseconds())); n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			break
		}
	}
	_ = unix.Waitid(unix.P_PIDFD, p.first, nil, unix.WEXITED|unix.WNOHANG, nil)
	p.forget()
}

func (p *process) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = unix.Close(p.first)
	p.first = -1
}

// verdict is the command's exit code, or why there is none.
func (c *child) verdict(p *process) (int, error) {
	_ = c.status.SetReadDeadline(time.Now().Add(endDeadline))
	var ended struct {
		Code *int `json:"exit-code"`
	}
	err := c.reports.Decode(&ended)
	_ = c.status.Close()
	switch {
	case err == nil && ended.Code != nil:
		return *ended.Code, nil
	case p.killed.Load() || p.oom.Load():
		return 128 + int(unix.SIGKILL), nil
	case c.state != nil && !c.state.Exited():
		return 128 + int(unix.SIGKILL), fmt.Errorf("run sandbox: it was ended from outside (%s)", c.state)
	}
	return 127, c.explain(errors.New("run sandbox"))
}

// explain turns bubblewrap's own message, which is all that stderr can hold
// when no command was started, into an error for people where it is theirs.
func (c *child) explain(err error) error {
	message := strings.TrimSpace(string(c.head))
	argv, dir := c.job.spec.Argv, c.job.spec.Dir
	switch {
	case strings.HasPrefix(message, "bwrap: execvp ") && strings.HasSuffix(message, "No such file or directory"):
		return fault.NotFound("sandbox.command", "The program %q was not found in the sandbox. Check its name, or install it on the server.", argv[0])
	case strings.HasPrefix(message, "bwrap: execvp "):
		return fault.Invalid("sandbox.command", "The program %q cannot be started: %s.", argv[0], message[strings.LastIndex(message, ": ")+2:])
	case strings.HasPrefix(message, "bwrap: Can't chdir to "):
		return fault.Invalid("sandbox.dir", "The working folder %q does not exist in the sandbox.", dir)
	case message != "":
		return fmt.Errorf("%w: %s", err, message)
	}
	return err
}
