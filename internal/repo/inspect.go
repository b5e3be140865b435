package repo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

// Inspect opens an ordinary repository that is not ours, such as a clone, for
// reading: Show, Files, Read, Tags, Log and Changed work on it. Nothing in its
// own configuration can make git run a program or reach the network.
func Inspect(dir string) (*Repo, error) {
	return inspect(dir, filepath.Join(dir, ".git"))
}

// InspectBare is Inspect for a repository without files, such as a project's in
// a data folder.
func InspectBare(gitDir string) (*Repo, error) { return inspect(gitDir, gitDir) }

func inspect(dir, gitDir string) (*Repo, error) {
	info, err := os.Lstat(gitDir)
	if err != nil || !info.IsDir() {
		return nil, fault.Invalid("repo.none", "%s is no git repository with its own .git folder. Name a folder that was cloned or exported.", dir).Because(err)
	}
	if gitDir, err = filepath.Abs(gitDir); err != nil {
		return nil, fmt.Errorf("inspect repository: %w", err)
	}
	g, err := findGit()
	if err != nil {
		return nil, err
	}
	own := *g
	own.env = slices.DeleteFunc(slices.Clone(g.env), func(v string) bool { return strings.HasPrefix(v, "GIT_ALLOW_PROTOCOL=") })
	own.env = append(own.env, "GIT_ALLOW_PROTOCOL=none", "GIT_NO_LAZY_FETCH=1")
	own.args = append(slices.Clone(g.args), "-c", "core.sshCommand=false", "-c", "gpg.program=false")
	s := &Store{root: dir, git: &own, cache: newFileCache(), repos: map[string]*Repo{}}
	return &Repo{store: s, id: "inspected", dir: dir, gitDir: gitDir, opened: true, worktrees: map[string]*Worktree{}}, nil
}

// Check reads every object and says whether each is whole and is what its name
// says, and whether none is missing. Git's reading commands do not: they
// believe the index of a pack, so a repository from elsewhere must pass Check
// before what is read from it proves anything. With commits, only what they
// reach must not be missing: others may be at work in the repository meanwhile.
func (r *Repo) Check(ctx context.Context, commits ...string) error {
	for _, c := range commits {
		if err := checkCommit(c); err != nil {
			return err
		}
	}
	_, err := r.run(ctx, call{args: append([]string{"fsck", "--full", "--no-dangling", "--no-progress"}, commits...)})
	if code := exitCode(err); code > 0 {
		return damaged(err, cut(err.Error(), 300))
	}
	if err != nil {
		return fmt.Errorf("check repository: %w", err)
	}
	return nil
}

func damaged(cause error, what string) error {
	f := fault.Invalid("repo.damaged", "The repository is damaged or was tampered with: %s. Get it again from where it came from, or from a backup.", what)
	if cause == nil {
		return f
	}
	return f.Because(cause)
}
