package agent

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

// platformFolder belongs to the platform; recipes is the one file in it that
// an agent, the architect at G3, may write.
const (
	platformFolder = ".layercake"
	recipes        = platformFolder + "/checks.yaml"
)

// readWorkspace reads a file of the worktree.
func readWorkspace(env Env, path string) ([]byte, error) {
	data, err := env.Tree.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read workspace: %w", err)
	}
	return data, nil
}

// listWorkspace returns the files that match pattern, sorted; all of them when
// it is empty.
func listWorkspace(ctx context.Context, env Env, pattern string) ([]string, error) {
	if pattern != "" {
		if err := repo.CheckPattern(pattern); err != nil {
			return nil, fmt.Errorf("list workspace: %w", err)
		}
	}
	all, err := env.Tree.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list workspace: %w", err)
	}
	if pattern == "" {
		return all, nil
	}
	var found []string
	for _, file := range all {
		if repo.Match([]string{pattern}, file) {
			found = append(found, file)
		}
	}
	return found, nil
}

// writeWorkspace replaces a file of the worktree, if this agent may write it.
func writeWorkspace(env Env, path, content string) error {
	if err := mayWrite(env, path); err != nil {
		return err
	}
	if err := env.Tree.WriteFile(path, []byte(content)); err != nil {
		return fmt.Errorf("write workspace: %w", err)
	}
	return nil
}

// removeWorkspace removes a file of the worktree, if this agent may write it.
func removeWorkspace(env Env, path string) error {
	if err := mayWrite(env, path); err != nil {
		return err
	}
	if err := env.Tree.RemoveFile(path); err != nil {
		return fmt.Errorf("remove from workspace: %w", err)
	}
	return nil
}

func mayWrite(env Env, path string) error {
	if err := repo.CheckPath(path); err != nil {
		return fmt.Errorf("write workspace: %w", err)
	}
	if repo.Protected(path) && !mayWriteRecipes(env, path) {
		return fault.Forbidden("agent.protected",
			"%s belongs to the platform, and nothing below %s/ can be written by an agent (only the architect writes %s, before G3 is decided).", path, platformFolder, recipes)
	}
	return throughFolders(env.Tree.Dir(), path)
}

func mayWriteRecipes(env Env, path string) bool {
	return path == recipes && env.Role == "architect" && env.Gate == "G3" && env.RecipesOpen
}

// throughFolders refuses a path that leads through a symbolic link. The link
// could not lead out of the workspace, but to a folder that is not to be
// written under another name.
func throughFolders(dir, path string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open workspace: %w", err)
	}
	defer func() { _ = root.Close() }() // only looked at
	parts := strings.Split(path, "/")
	for i := range parts[:len(parts)-1] {
		folder := filepath.Join(parts[:i+1]...)
		info, err := root.Lstat(folder)
		if err != nil {
			return nil // not there yet, or not a folder: the write itself says so
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return fault.Invalid("agent.link", "%s leads through the link %s. Write to the folder itself, or remove the link.", path, folder)
		}
	}
	return nil
}
