package repo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

// excludes is what no project wants committed; .gitignore outranks it.
const excludes = `# Written by LayerCake.
node_modules/
.DS_Store
Thumbs.db
`

// ignorer asks git which paths of a worktree .gitignore leaves out. Its
// process starts with the first question; patterns are data, and run nothing.
type ignorer struct {
	git         *git
	gitDir, dir string

	cmd    *exec.Cmd
	cancel context.CancelFunc
	in     io.WriteCloser
	out    *bufio.Reader
	stderr capped
}

func (g *ignorer) start(ctx context.Context) error {
	ctx, g.cancel = context.WithTimeout(ctx, timeout)
	g.cmd = g.git.command(ctx, g.gitDir, call{dir: g.dir, args: []string{"check-ignore", "--no-index", "--verbose", "--non-matching", "-z", "--stdin"}})
	g.stderr = capped{limit: 8 << 10, drop: true}
	g.cmd.Stderr = &g.stderr
	in, err := g.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	g.in, g.out = in, bufio.NewReader(out)
	if err := g.cmd.Start(); err != nil {
		g.cmd = nil
		return err
	}
	return nil
}

// here before a path keeps git from seeing syntax in its first character.
const here = "./"

// query says which of paths are ignored.
func (g *ignorer) query(ctx context.Context, paths []string) (map[string]bool, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	if g.cmd == nil {
		if err := g.start(ctx); err != nil {
			return nil, fmt.Errorf("start git check-ignore: %w", err)
		}
	}
	asked := make(chan error, 1)
	go func() { // git answers while it is being asked, and a pipe is short
		_, err := io.WriteString(g.in, here+strings.Join(paths, "\x00"+here)+"\x00")
		asked <- err
	}()
	ignored, err := g.answers(len(paths))
	if err != nil {
		g.cancel() // ends the goroutine's write
	}
	if err := errors.Join(err, <-asked); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fault.Invalid("repo.ignore", "git could not apply .gitignore. Make its patterns simpler, or remove it.").Because(err)
	}
	return ignored, nil
}

// answers reads n groups of source, line, pattern, path.
func (g *ignorer) answers(n int) (map[string]bool, error) {
	ignored := map[string]bool{}
	for range n {
		var fields [4]string
		for i := range fields {
			field, err := g.out.ReadString(0)
			if err != nil {
				return nil, fmt.Errorf("git check-ignore: %w: %s", err, g.stderr.String())
			}
			fields[i] = strings.TrimSuffix(field, "\x00")
		}
		if fields[2] != "" && !strings.HasPrefix(fields[2], "!") {
			ignored[strings.TrimPrefix(fields[3], here)] = true
		}
	}
	return ignored, nil
}

// close ends the process. Its exit code only says whether anything matched.
func (g *ignorer) close() error {
	if g.cancel != nil {
		defer g.cancel()
	}
	if g.cmd == nil {
		return nil
	}
	err := errors.Join(g.in.Close(), g.cmd.Wait())
	if code := g.cmd.ProcessState.ExitCode(); err == nil || code == 0 || code == 1 {
		return nil
	}
	return fmt.Errorf("git check-ignore: %w: %s", err, g.stderr.String())
}
