//go:build linux

package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
)

func script(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestTool(t *testing.T) {
	t.Parallel()
	open(t)
	root := tempDir(t)
	script(t, root+"/one/single", "echo single")
	script(t, root+"/one/secret", "echo secret")
	script(t, root+"/sdk/bin/go", "cat $(dirname $0)/../VERSION")
	must(t, os.MkdirAll(root+"/sdk/pkg/tool", 0o755))
	must(t, os.WriteFile(root+"/sdk/VERSION", []byte("go9\n"), 0o644))
	script(t, root+"/node/bin/node", "echo node $*")
	script(t, root+"/node/lib/node_modules/npm/bin/npm-cli.js", "node npm")
	must(t, os.Symlink("../lib/node_modules/npm/bin/npm-cli.js", root+"/node/bin/npm"))
	must(t, os.Symlink("/usr/bin/env", root+"/one/env-link"))
	script(t, root+"/usr/bin/snap", "")
	must(t, os.Symlink(root+"/usr/bin/snap", root+"/one/snapped"))
	must(t, os.WriteFile(root+"/one/data", nil, 0o644))
	must(t, os.Mkdir(root+"/one/folder", 0o755))
	s, err := Open(t.Context(), Config{Path: "relative::" + root + "/one:" + root + "/sdk/bin:" + root + "/node/bin:" + systemPath})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		path   string
		hosts  []string
		prints string
	}{
		"sh":       {"/usr/bin/sh", nil, ""},
		"env-link": {"/usr/bin/env", nil, ""},
		"single":   {root + "/one/single", []string{root + "/one/single"}, "single\n"},
		"go":       {root + "/sdk/bin/go", []string{root + "/sdk"}, "go9\n"},
		"node":     {root + "/node/bin/node", []string{root + "/node/bin", root + "/node/lib/node_modules"}, "node\n"},
		"npm":      {root + "/node/bin/npm", []string{root + "/node/bin", root + "/node/lib/node_modules"}, "node npm\n"},
	} {
		tool, err := s.Tool(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var hosts []string
		for _, m := range tool.Mounts {
			if m.Writable || m.Host != m.Inside {
				t.Errorf("%s: mount %+v", name, m)
			}
			hosts = append(hosts, m.Host)
		}
		if tool.Path != tc.path || !slices.Equal(hosts, tc.hosts) {
			t.Errorf("%s: got %+v", name, tool)
		}
		if tc.prints == "" {
			continue
		}
		if r := run(t, Spec{Argv: []string{name}, Tools: []Tool{tool, tool}}); strings.TrimSpace(r.stdout) != strings.TrimSpace(tc.prints) {
			t.Errorf("%s prints %q %q", name, r.stdout, r.stderr)
		}
	}
	single, err := s.Tool("single")
	if err != nil {
		t.Fatal(err)
	}
	if r := run(t, Spec{Argv: []string{"ls", root + "/one"}, Tools: []Tool{single}}); r.stdout != "single\n" {
		t.Errorf("beside the program the sandbox shows %q", r.stdout)
	}
	for name, kind := range map[string]fault.Kind{
		"no-such-tool": fault.KindUnavailable, "snapped": fault.KindUnavailable, "data": fault.KindUnavailable, "folder": fault.KindUnavailable,
		"": fault.KindInvalid, "../one/single": fault.KindInvalid, "/bin/sh": fault.KindInvalid, "..": fault.KindInvalid,
	} {
		_, err := s.Tool(name)
		wantFault(t, err, kind, "sandbox.tool")
	}
}

// TestGoToolchain uses the real Go inside, as far as no package must be built first.
func TestGoToolchain(t *testing.T) {
	t.Parallel()
	s := open(t)
	tool, err := s.Tool("go")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED: ", err)
	}
	work := tempDir(t)
	for name, text := range map[string]string{
		"go.mod":  "module example\n\ngo 1.21\n",
		"main.go": "package main\n\nfunc main() { println(\"built inside\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, Spec{
		Argv: []string{"sh", "-c", "go list -f {{.ImportPath}} . && gofmt -l . && go tool compile -p main -o main.o main.go && grep -q 'built inside' main.o && echo compiled"}, Dir: "/box", Tools: []Tool{tool},
		Mounts: []Mount{{Host: work, Inside: "/box", Writable: true}},
		Env:    []string{"CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOCACHE=/tmp/cache", "GOPATH=/tmp/go", "GOFLAGS=-mod=mod"},
	})
	if r.ExitCode != 0 || r.stdout != "example\ncompiled\n" {
		t.Errorf("got %+v", r)
	}
}

func TestNodeInside(t *testing.T) {
	t.Parallel()
	tool, err := open(t).Tool("node")
	if err != nil {
		t.Skip("SKIPPED: ", err)
	}
	r := run(t, Spec{
		Argv:   []string{"node", "-e", "require('http').createServer((q,r)=>r.end('ok')).listen(0,'127.0.0.1',function(){require('http').get({port:this.address().port},r=>r.on('data',d=>{console.log(String(d));process.exit(4)}))})"},
		Tools:  []Tool{tool},
		Limits: Limits{Memory: gib},
	})
	if r.ExitCode != 4 || r.stdout != "ok\n" {
		t.Errorf("got %+v", r)
	}
}
