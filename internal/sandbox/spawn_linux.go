package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawn starts bubblewrap from the calling thread, in its cgroup, blocked
// before the command.
func (e *engine) spawn(j job) (c *child, err error) {
	c = &child{job: j, fed: make(chan struct{}), ended: make(chan struct{})}
	t := &table{}
	defer t.close()
	defer func() {
		if err != nil {
			c.discard()
		}
	}()
	argv, err := c.wire(t)
	if err != nil {
		return nil, err
	}
	if e.seal {
		if err := sealDevices(); err != nil {
			return nil, fmt.Errorf("seal devices: %w", err)
		}
	}
	if c.group, err = e.groups.create(j.spec.Limits); err != nil {
		return nil, err
	}
	// Whatever the server inherited from its own parent must not be passed on.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, fmt.Errorf("guard descriptors: %w", err)
	}
	attr := &os.ProcAttr{
		Dir: "/", Files: t.files,
		// Empty, not nil: /proc/1/environ inside would show the server's.
		Env: []string{},
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	c.group.prepare(attr.Sys)
	if err := c.group.enter(); err != nil {
		return nil, err
	}
	c.monitor, err = os.StartProcess(e.bwrap, argv, attr)
	if lerr := c.group.leave(); lerr != nil && err == nil {
		c.abort()
		_, _ = c.monitor.Wait()
		err = lerr
	}
	if err != nil {
		return nil, fmt.Errorf("start bubblewrap: %w", err)
	}
	c.pump()
	return c, nil
}

func (c *child) discard() {
	for _, f := range append(c.outputs, c.status, c.block, c.stdin) {
		if f != nil {
			_ = f.Close()
		}
	}
	c.group.remove()
}

// wire makes the pipes and the command line.
func (c *child) wire(t *table) ([]string, error) {
	stdin, err := t.pipeIn()
	if err != nil {
		return nil, err
	}
	c.stdin = stdin
	for range 2 {
		if len(c.outputs) == 1 && same(c.job.spec.Stdout, c.job.spec.Stderr) {
			// One pipe keeps the order of what is written.
			dup, err := duplicate(t.files[1])
			if err != nil {
				return nil, err
			}
			t.add(dup)
			break
		}
		out, err := t.pipeOut()
		if err != nil {
			return nil, err
		}
		c.outputs = append(c.outputs, out)
	}
	if c.job.inherit != nil {
		dup, err := duplicate(c.job.inherit)
		if err != nil {
			return nil, err
		}
		t.add(dup)
	}
	if c.status, err = t.pipeOut(); err != nil {
		return nil, err
	}
	c.reports = json.NewDecoder(c.status)
	ctl := control{status: last(t)}
	if c.block, err = t.pipeIn(); err != nil {
		return nil, err
	}
	ctl.block = last(t)
	dup, err := duplicate(c.block)
	if err != nil {
		return nil, err
	}
	ctl.sync = t.add(dup)
	return arguments(c.job, t, ctl)
}

// pump moves input and output while the command runs.
func (c *child) pump() {
	spec := c.job.spec
	for i, f := range c.outputs {
		w, isErr := spec.Stdout, i == len(c.outputs)-1
		if i == 1 {
			w = spec.Stderr
		}
		c.drains.Go(func() {
			defer shut(f)
			if head := c.job.meter.drain(w, f); isErr {
				c.head = head
			}
		})
	}
	go func() {
		defer close(c.fed)
		if spec.Stdin != nil {
			_, _ = io.Copy(c.stdin, spec.Stdin)
		}
		_ = c.stdin.Close()
	}()
}
