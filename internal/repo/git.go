package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// emptyTree is the name git knows the tree without entries by.
const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// settings outrank every configuration file. The bare repository's own file is
// written by us alone; these hold even if that should change.
var settings = []string{
	"core.fsmonitor=false",
	"core.hooksPath=/dev/null",
	"core.attributesFile=/dev/null",
	"core.excludesFile=/dev/null",
	"core.autocrlf=false",
	"core.safecrlf=false",
	"core.symlinks=true",
	"core.protectHFS=true",
	"core.protectNTFS=true",
	"core.quotePath=false",
	"core.commitGraph=false", // a cache that reading believes and nothing checks
	"core.multiPackIndex=false",
	"core.fsync=loose-object,pack,pack-metadata,reference",
	"core.filesRefLockTimeout=5000",
	"credential.helper=",
	"gc.auto=0",
	"maintenance.auto=false",
	"commit.gpgSign=false",
	"tag.gpgSign=false",
	"log.showSignature=false",
	"log.mailmap=false",
	"merge.directoryRenames=false",
	"merge.renormalize=false",
	"submodule.recurse=false",
	"protocol.file.allow=never",
	"protocol.ext.allow=never",
}

// git is the system's git, called with an environment built from nothing.
type git struct {
	bin     string
	env     []string
	args    []string
	version string // as git says it
}

// call is one run of git.
type call struct {
	args  []string
	dir   string // worktree, for the commands that need one
	stdin io.Reader
	file  *os.File // takes the output, however long, instead of the caller
	limit int      // bytes of output; 0 means defaultLimit
	cut   bool
}

const defaultLimit = 256 << 20

// gitError is a run of git that did not end with exit code 0.
type gitError struct {
	command string
	code    int
	stderr  string
	err     error
}

func (e *gitError) Error() string {
	return fmt.Sprintf("git %s: %v: %s", e.command, e.err, e.stderr)
}

func (e *gitError) Unwrap() error { return e.err }

// exitCode returns the exit code of git in err, or -1.
func exitCode(err error) int {
	var e *gitError
	if errors.As(err, &e) {
		return e.code
	}
	return -1
}

func findGit() (*git, error) {
	const next = "Install git 2.39 or newer (Debian: apt-get install git) and start again."
	bin, err := exec.LookPath("git")
	if err != nil {
		return nil, fault.Unavailable("git.missing", "git was not found. %s", next).Because(err)
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return nil, fmt.Errorf("find git: %w", err)
	}
	g := &git{bin: bin, env: []string{
		"PATH=" + filepath.Dir(bin),
		"LC_ALL=C",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_ATTR_SOURCE=" + emptyTree,
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ALLOW_PROTOCOL=https:ssh",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_GRAFT_FILE=/dev/null",
		"GIT_OPTIONAL_LOCKS=0",
	}}
	g.args = []string{"--no-pager"}
	for _, s := range settings {
		g.args = append(g.args, "-c", s)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	out, err := g.run(ctx, filepath.Dir(bin), call{args: []string{"version"}})
	g.version = strings.TrimSpace(string(out))
	if err != nil {
		return nil, fault.Unavailable("git.missing", "git does not run. %s", next).Because(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); err != nil || major < 2 || major == 2 && minor < 39 {
		return nil, fault.Unavailable("git.old", "%s is too old. %s", strings.TrimSpace(string(out)), next)
	}
	return g, nil
}

// GitVersion is what the git that repositories are kept with says of itself. One
// that is missing or too old is a fault of kind unavailable.
func GitVersion() (string, error) {
	g, err := findGit()
	if err != nil {
		return "", err
	}
	return g.version, nil
}

// command prepares a run of git on gitDir. Its working directory is gitDir, so
// that nothing is ever looked up relative to a worktree.
func (g *git) command(ctx context.Context, gitDir string, c call) *exec.Cmd {
	args := append([]string{"--git-dir=" + gitDir}, g.args...)
	if c.dir != "" {
		args = append(args, "--work-tree="+c.dir)
	}
	if c.args[0] != "check-ignore" { // which has no pathspecs and refuses the option
		args = append(args, "--literal-pathspecs")
	}
	cmd := exec.CommandContext(ctx, g.bin, append(args, c.args...)...)
	cmd.Dir = gitDir
	cmd.Env = g.env
	cmd.Stdin = c.stdin
	// On this signal git removes its lock files; after the delay it is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run calls git and returns its output. With c.cut, output over the limit is
// dropped and the rest returned; without, it is an error.
func (g *git) run(ctx context.Context, gitDir string, c call) ([]byte, error) {
	cmd := g.command(ctx, gitDir, c)
	limit := c.limit
	if limit == 0 {
		limit = defaultLimit
	}
	stdout, stderr := &capped{limit: limit}, &capped{limit: 8 << 10, drop: true}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if c.file != nil {
		cmd.Stdout = c.file
	}
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("git %s: %w", c.args[0], context.Cause(ctx))
	case stdout.full && c.cut:
		return stdout.buf.Bytes(), nil
	case stdout.full:
		return nil, fault.TooLarge("repo.output", "git %s gave more than %d MB. Ask for a smaller part.", c.args[0], limit>>20)
	case err != nil:
		return stdout.buf.Bytes(), Full(&gitError{command: c.args[0], code: cmd.ProcessState.ExitCode(), stderr: stderr.String(), err: err})
	}
	return stdout.buf.Bytes(), nil
}

// fullDisk is what git says of one.
var fullDisk = regexp.MustCompile(`No space left on device|Out of diskspace|Disk quota exceeded`)

// Full makes an error about a full disk one that a person can act on.
func Full(err error) error {
	var failed *gitError
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.As(err, &failed) && fullDisk.MatchString(failed.stderr) {
		return fault.Full("repo.full", "The disk is full. What was decided and done is kept. Free some space, then try again.").Because(err)
	}
	return err
}

// capped is a buffer that takes limit bytes and then fails, or drops the rest.
type capped struct {
	buf   bytes.Buffer
	limit int
	drop  bool
	full  bool
}

var errFull = errors.New("output limit reached")

func (b *capped) Write(p []byte) (int, error) {
	n := len(p)
	if room := b.limit - b.buf.Len(); n > room {
		b.full = true
		p = p[:max(room, 0)]
	}
	b.buf.Write(p)
	if b.full && !b.drop {
		return len(p), errFull
	}
	return n, nil
}

func (b *capped) String() string { return strings.TrimSpace(b.buf.String()) }
