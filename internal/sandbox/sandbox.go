// Package sandbox runs commands that nobody trusts. A command sees a read-only
// system, the folders it was given and nothing else of the host: no network, no
// server environment, no other process; it is held to limits on time, memory,
// processes and output, and when Run or Stop returns nothing of it is alive.
// What could not be enforced on this machine is named in Isolation, and where
// no isolation is possible nothing runs at all: there is no unsandboxed mode.
package sandbox

import (
	"context"
	"fmt"
	"slices"

	"github.com/layercake-app/layercake/internal/fault"
)

// The kinds of isolation a Sandbox can have.
const (
	KindBubblewrap = "bubblewrap"
	KindNone       = "none"
)

// Config says how to open a Sandbox.
type Config struct {
	// Kind is "bubblewrap", "none", or empty for the best this machine has.
	Kind string
	// Path is a PATH-like list of folders searched for bwrap and by Tool;
	// empty means the system's own folders.
	Path string
}

// Isolation says what a command was kept from, in words for people.
type Isolation struct {
	Kind        string   `json:"kind"`
	Version     string   `json:"version,omitempty"`
	Enforced    []string `json:"enforced,omitempty"`
	NotEnforced []string `json:"notEnforced,omitempty"`
}

// Sandbox runs commands in isolation; it is safe for concurrent use and holds
// nothing open between runs.
type Sandbox struct {
	path      string
	isolation Isolation
	engine    *engine
	unusable  *fault.Error
}

const systemPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

// Open finds out, by running one, which sandbox this machine can give. A missing
// or unusable bubblewrap is not an error here: Check and Run report it. A wrong
// Kind is fault.Invalid, and ctx ends the attempt.
func Open(ctx context.Context, cfg Config) (*Sandbox, error) {
	s := &Sandbox{path: cfg.Path, isolation: Isolation{Kind: KindNone}}
	if s.path == "" {
		s.path = systemPath
	}
	switch cfg.Kind {
	case KindNone:
		s.unusable = fault.Unavailable("sandbox.missing",
			"Commands cannot run: the sandbox is set to %q. Set it to %q, or leave it empty, and restart.", KindNone, KindBubblewrap)
		return s, nil
	case KindBubblewrap, "":
	default:
		return nil, fault.Invalid("sandbox.kind", "The sandbox kind %q is not known. Use %q, %q, or leave it empty.",
			cfg.Kind, KindBubblewrap, KindNone)
	}
	e, isolation, unusable := probe(ctx, s.path)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("probe sandbox: %w", err)
	}
	if unusable != nil {
		s.unusable = unusable
		return s, nil
	}
	s.engine, s.isolation = e, isolation
	return s, nil
}

// Isolation returns what this sandbox enforces; its lists are the caller's own.
func (s *Sandbox) Isolation() Isolation {
	i := s.isolation
	i.Enforced = slices.Clone(i.Enforced)
	i.NotEnforced = slices.Clone(i.NotEnforced)
	return i
}

// Check returns nil when commands can run, else the fault.Unavailable
// "sandbox.missing" that Run would return, saying what to install.
func (s *Sandbox) Check() error {
	if s.unusable != nil {
		return s.unusable
	}
	return nil
}
