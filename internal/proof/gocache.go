package proof

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// maxProjectCaches bounds the folders of compiled packages; a project's own is
// about 130 MB.
const maxProjectCaches = 12

// seedModule is compiled once to fill the base cache. No agent has a hand in
// it: it names what products usually import of the standard library.
const seedModule = `package main

import (
	_ "bufio"
	_ "bytes"
	_ "cmp"
	_ "context"
	_ "crypto/hmac"
	_ "crypto/rand"
	_ "crypto/sha256"
	_ "crypto/subtle"
	_ "database/sql"
	_ "embed"
	_ "encoding/base64"
	_ "encoding/csv"
	_ "encoding/hex"
	_ "encoding/json"
	_ "encoding/xml"
	_ "errors"
	_ "flag"
	_ "fmt"
	_ "html"
	_ "html/template"
	_ "io"
	_ "io/fs"
	_ "log"
	_ "log/slog"
	_ "maps"
	_ "math"
	_ "math/big"
	_ "math/rand/v2"
	_ "mime/multipart"
	_ "net"
	_ "net/http"
	_ "net/mail"
	_ "net/url"
	_ "os"
	_ "os/exec"
	_ "os/signal"
	_ "path/filepath"
	_ "reflect"
	_ "regexp"
	_ "runtime/debug"
	_ "slices"
	_ "sort"
	_ "strconv"
	_ "strings"
	_ "sync"
	_ "sync/atomic"
	_ "syscall"
	_ "text/tabwriter"
	_ "text/template"
	_ "time"
	_ "unicode"
	_ "unicode/utf8"
)

func main() {}
`

const seedTest = `package main

import (
	_ "net/http/cookiejar"
	_ "net/http/httptest"
	"testing"
	_ "testing/fstest"
	_ "testing/synctest"
)

func TestSeed(t *testing.T) { main() }
`

// goEnv is the environment of every go command: nothing is fetched, no setting
// is read from a file, and nothing of the product can add flags.
func goEnv(vendored bool) []string {
	mod := "readonly"
	if vendored {
		mod = "vendor"
	}
	return []string{
		"GOFLAGS=-mod=" + mod + " -buildvcs=false", "GOENV=off", "GOWORK=off", "GOTOOLCHAIN=local", "GOPROXY=off", "GOSUMDB=off",
		"GOVCS=*:off", "GOTELEMETRY=off", "CGO_ENABLED=0", "GOCACHE=/gocache", "GOPATH=/tmp/gopath", "GO111MODULE=on",
	}
}

// compileLimits leave room for the linker, which works in /tmp.
func compileLimits() sandbox.Limits {
	return sandbox.Limits{Time: 5 * time.Minute, Memory: 4 << 30, TmpBytes: 2 << 30, Output: 4 << 20}
}

// Warm builds the base cache of compiled standard packages unless it is there.
// It takes half a minute of two processors; the first check of a product waits
// for it.
func (r *Runner) Warm(ctx context.Context) error {
	_, err := r.baseCache(ctx)
	return err
}

// baseCache returns the folder of the base cache, after building it if needed.
// What was compiled when a build was broken off is used by the next.
func (r *Runner) baseCache(ctx context.Context) (string, error) {
	select {
	case r.base <- struct{}{}:
		defer func() { <-r.base }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	goTool, err := r.cfg.Sandbox.Tool("go")
	if err != nil {
		return "", err
	}
	version, err := r.toolVersion(ctx, goTool, "version")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(version + seedModule + seedTest))
	dir := filepath.Join(r.cfg.Base, "go-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// Several processes may fill one folder: the go command allows for it.
	part := dir + ".part"
	if err := r.buildBase(ctx, goTool, part); err != nil {
		return "", err
	}
	if err := os.Rename(part, dir); err != nil {
		// Another process was faster; its cache is as good.
		if _, missing := os.Stat(dir); missing != nil {
			return "", fmt.Errorf("keep base cache: %w", err)
		}
	}
	return dir, nil
}

// buildBase compiles the seed module with cache as the compiler's cache.
func (r *Runner) buildBase(ctx context.Context, goTool sandbox.Tool, cache string) error {
	tmp, err := os.MkdirTemp(r.temp(), "base-")
	if err != nil {
		return fmt.Errorf("make base cache: %w", err)
	}
	defer func() { _ = repo.RemoveTree(tmp) }() // the next start clears what is left
	src, out := filepath.Join(tmp, "src"), filepath.Join(tmp, "out")
	for _, dir := range []string{src, out, cache} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make base cache: %w", err)
		}
	}
	for name, text := range map[string]string{"go.mod": "module seed\n", "main.go": seedModule, "main_test.go": seedTest} {
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write seed module: %w", err)
		}
	}
	limits := compileLimits()
	limits.Time = 20 * time.Minute // other work goes before it
	for _, argv := range [][]string{
		{"go", "vet", "./..."},
		{"go", "test", "-c", "-vet=off", "-cover", "-coverpkg=./...", "-ldflags=-s -w", "-o", "/out/", "./..."},
	} {
		var said recorder
		res, err := r.cfg.Sandbox.Run(ctx, sandbox.Spec{
			Argv: argv, Dir: "/src", Tools: []sandbox.Tool{goTool}, Env: goEnv(false), Limits: limits,
			Mounts: []sandbox.Mount{
				{Host: src, Inside: "/src"},
				{Host: cache, Inside: "/gocache", Writable: true},
				{Host: out, Inside: "/out", Writable: true},
			},
			Stdout: &said, Stderr: &said,
		})
		if err != nil {
			return fmt.Errorf("build base cache: %w", err)
		}
		if res.ExitCode != 0 {
			return fmt.Errorf("build base cache: %s exited with %d: %s", strings.Join(argv, " "), res.ExitCode, firstLine(string(said.bytes())))
		}
	}
	return nil
}

// toolVersion asks a program of the system for its version, once.
func (r *Runner) toolVersion(ctx context.Context, tool sandbox.Tool, arg string) (string, error) {
	r.mu.Lock()
	known := r.tools[tool.Name]
	r.mu.Unlock()
	if known != "" {
		return known, nil
	}
	var out recorder
	res, err := r.cfg.Sandbox.Run(ctx, sandbox.Spec{
		Argv: []string{tool.Name, arg}, Tools: []sandbox.Tool{tool}, Env: []string{"GOENV=off", "GOTOOLCHAIN=local", "GOTELEMETRY=off"},
		Stdout: &out, Stderr: &out, Limits: sandbox.Limits{Time: 30 * time.Second},
	})
	if err != nil {
		return "", err
	}
	version := strings.TrimSpace(string(out.bytes()))
	if res.ExitCode != 0 || version == "" {
		return "", fmt.Errorf("ask %s for its version: exit %d: %s", tool.Name, res.ExitCode, version)
	}
	r.mu.Lock()
	r.tools[tool.Name] = version
	r.mu.Unlock()
	return version, nil
}

// projectCache returns the project's own folder of compiled packages, filled
// from the base. Only compilations write to it, and no code of the product
// runs in those. The caller holds the project's lock.
func (r *Runner) projectCache(ctx context.Context, project string) (string, error) {
	base, err := r.baseCache(ctx)
	if err != nil {
		return "", err
	}
	all := filepath.Join(r.cfg.Cache, filepath.Base(base))
	dir := filepath.Join(all, project)
	if _, err := os.Stat(dir); err == nil {
		if err := clearTorn(dir); err != nil {
			return "", err
		}
		now := time.Now()
		return dir, os.Chtimes(dir, now, now)
	}
	if err := dropOldest(all, maxProjectCaches-1, r.mutex); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(r.temp(), "cache-")
	if err != nil {
		return "", fmt.Errorf("make compiler cache: %w", err)
	}
	defer func() { _ = repo.RemoveTree(tmp) }() // the next start clears what is left
	if err := copyTree(ctx, base, filepath.Join(tmp, "gocache"), 0); err != nil {
		return "", fmt.Errorf("copy compiler cache: %w", err)
	}
	for _, d := range []string{filepath.Join(tmp, "out"), all} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return "", fmt.Errorf("make compiler cache: %w", err)
		}
	}
	if err := os.Rename(tmp, dir); err != nil {
		return "", fmt.Errorf("keep compiler cache: %w", err)
	}
	return dir, nil
}

// busyMark stands in a project's cache while the go command is at work there.
const busyMark = "busy"

// clearTorn removes what the go command was making when it was killed: a program
// may be cut off, and the next go command takes it for up to date.
func clearTorn(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, busyMark)); err != nil {
		return nil
	}
	for _, name := range []string{"out", "tests", busyMark} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("clear compiler output: %w", err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o700); err != nil {
		return fmt.Errorf("clear compiler output: %w", err)
	}
	return nil
}

// dropOldest deletes all but the newest keep folders, and those whose mutex,
// by name, somebody holds.
func dropOldest(dir string, keep int, mutex func(name string) *sync.Mutex) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list old folders: %w", err)
	}
	var infos []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, info := range infos[min(keep, len(infos)):] {
		m := mutex(info.Name())
		if !m.TryLock() {
			continue
		}
		err := repo.RemoveTree(filepath.Join(dir, info.Name()))
		m.Unlock()
		if err != nil {
			return fmt.Errorf("drop old folder: %w", err)
		}
	}
	return nil
}
