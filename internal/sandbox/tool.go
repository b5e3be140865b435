package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

// Tool is a program of the host that a sandbox can run.
type Tool struct {
	// Name is what was asked for.
	Name string
	// Path is where the program is, on the host and inside alike.
	Path string
	// Mounts make it visible inside; a program of the system needs none.
	Mounts []Mount
}

// Tool finds a program on Config.Path and the mounts it needs when it was not
// installed by the system: all of GOROOT for Go's tools, the program and
// package folders for Node's, else the one file. A program that is not there
// is fault.Unavailable "sandbox.tool".
func (s *Sandbox) Tool(name string) (Tool, error) {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return Tool{}, fault.Invalid("sandbox.tool", "The program name %q must be a plain name without a folder.", name)
	}
	for _, dir := range filepath.SplitList(s.path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		found := filepath.Join(dir, name)
		info, err := os.Stat(found)
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			continue
		}
		target, err := filepath.EvalSymlinks(found)
		if err != nil {
			continue
		}
		return locate(name, found, target)
	}
	return Tool{}, fault.Unavailable("sandbox.tool",
		"The program %q was not found on the server's PATH. Install it, or add its folder to PATH, and restart.", name)
}

func locate(name, found, target string) (Tool, error) {
	if filepath.Base(target) == "snap" {
		return Tool{}, fault.Unavailable("sandbox.tool",
			"The program %q is installed as a snap, which cannot run in a sandbox. Install it from its maker's archive or the system's packages.", name)
	}
	if inSystem(target) {
		if dir, err := filepath.EvalSymlinks(filepath.Dir(found)); err == nil && inSystem(dir) {
			return Tool{Name: name, Path: filepath.Join(dir, name)}, nil
		}
		return Tool{Name: name, Path: target}, nil
	}
	if root := filepath.Dir(filepath.Dir(target)); exists(root, "VERSION") && exists(root, "pkg/tool") {
		return Tool{Name: name, Path: target, Mounts: []Mount{{Host: root, Inside: root}}}, nil
	}
	// npm and npx are links from bin into lib/node_modules and look for their
	// files beside the link's target, so both folders are needed.
	if root, err := filepath.EvalSymlinks(filepath.Dir(filepath.Dir(found))); err == nil && exists(root, "lib/node_modules/npm") && exists(root, "bin/node") {
		bin, lib := filepath.Join(root, "bin"), filepath.Join(root, "lib", "node_modules")
		return Tool{Name: name, Path: filepath.Join(bin, name), Mounts: []Mount{{Host: bin, Inside: bin}, {Host: lib, Inside: lib}}}, nil
	}
	return Tool{Name: name, Path: target, Mounts: []Mount{{Host: target, Inside: target}}}, nil
}

// inSystem reports whether every sandbox already shows the path.
func inSystem(p string) bool {
	for _, dir := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib64"} {
		if within(p, dir) {
			return true
		}
	}
	return false
}

func exists(dir, rel string) bool {
	_, err := os.Stat(filepath.Join(dir, rel))
	return !errors.Is(err, fs.ErrNotExist)
}
