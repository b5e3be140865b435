//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"

	"github.com/layercake-app/layercake/internal/fault"
)

// What isolates is Linux; elsewhere Open finds nothing, and none of this runs.

type engine struct{}

type job struct {
	spec    Spec
	meter   *meter
	inherit *os.File
}

type process struct {
	done chan struct{}
	oom  atomic.Bool
	code int
	err  error
}

func (p *process) kill() {}

func (e *engine) start(job) (*process, error) { return nil, errors.ErrUnsupported }

func probe(context.Context, string) (*engine, Isolation, *fault.Error) {
	return nil, Isolation{}, fault.Unavailable("sandbox.missing",
		"Commands cannot run: they are isolated with bubblewrap, which needs Linux. Run LayerCake on Linux, in a virtual machine or WSL 2.")
}

type relayLink struct{}

type relayProgram struct {
	argv  []string
	mount Mount
	end   *os.File
}

func newRelay([]string, int) (*relayLink, relayProgram, error) {
	return nil, relayProgram{}, errors.ErrUnsupported
}

func (l *relayLink) close() {}

func (l *relayLink) dial(context.Context) (net.Conn, error) { return nil, errors.ErrUnsupported }

// MaybeRelay does nothing where there is no sandbox.
func MaybeRelay() {}
