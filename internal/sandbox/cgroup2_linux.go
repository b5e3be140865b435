package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// unifiedBase finds the folder of the version 2 hierarchy to make groups in,
// or "". A group that holds processes cannot pass controllers on (but for the
// root), so in turn: the server's own group as it is; the same after moving
// the server, when it is alone there, into a leaf; then the groups above, which
// is where a user's delegated subtree begins.
func unifiedBase(own, root, leaf string) string {
	if filepath.Base(own) == leaf {
		own = filepath.Dir(own) // an earlier call has moved the server
	}
	if passOn(own) {
		return own
	}
	if alone(own) && moveToLeaf(own, leaf) == nil && passOn(own) {
		return own
	}
	for dir := own; dir != root && within(dir, root); {
		dir = filepath.Dir(dir)
		if passOn(dir) {
			return dir
		}
	}
	return ""
}

// passOn enables the controllers for groups in dir, as far as allowed, and
// reports whether memory and pids can then be limited there. memory comes
// first and alone: in a group with processes pids and cpu would be accepted,
// turning it into a threaded one whose new groups can hold no process.
func passOn(dir string) bool {
	control := filepath.Join(dir, "cgroup.subtree_control")
	if err := write(control, "+memory"); err != nil && !usable(dir, "memory", true) {
		return false
	}
	_, _ = write(control, "+pids"), write(control, "+cpu")
	return usable(dir, "memory", true) && usable(dir, "pids", true)
}

func alone(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	return err == nil && strings.TrimSpace(string(b)) == fmt.Sprint(os.Getpid())
}

// moveToLeaf puts this process into a group of its own below dir; its name
// makes it stale, and removable, once the process is gone.
func moveToLeaf(dir, name string) error {
	leaf := filepath.Join(dir, name)
	if err := os.Mkdir(leaf, 0o755); err != nil {
		return fmt.Errorf("create cgroup: %w", err)
	}
	if err := write(filepath.Join(leaf, "cgroup.procs"), "0"); err != nil {
		_ = os.Remove(leaf)
		return err
	}
	return nil
}
