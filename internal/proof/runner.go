package proof

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// Config says what a Runner works with.
type Config struct {
	Sandbox *sandbox.Sandbox
	Repos   *repo.Store
	Blobs   *blob.Dir
	// Cache is a folder for checkouts and compiler caches; all of it may be
	// deleted while no check runs.
	Cache string
	// Base is a folder for what LayerCake compiles of the standard library; it
	// may be shared by several data folders of one user, and is below Cache
	// when empty.
	Base string
	// Deployments is the folder of local deployments: <project>/<gate>/….
	Deployments string
	// Limit bounds one check in wall-clock time; 0 means ten minutes.
	Limit time.Duration
	// Model reports whether a model can be reached, for workspace_ready; nil
	// means that nobody asks.
	Model func(ctx context.Context) error
	// Log receives what went wrong beside the checks; default slog.Default().
	Log *slog.Logger
}

// Runner runs checks. It is safe for concurrent use.
type Runner struct {
	cfg  Config
	seed []byte // what canaries and probes are derived from, never written down

	mu    sync.Mutex
	locks map[string]*sync.Mutex // by project: one compilation or deployment at a time
	tools map[string]string      // version of a tool by name

	base chan struct{} // held while the base cache is looked for or built
}

// NewRunner returns a Runner, after clearing what a process that died left in
// the cache.
func NewRunner(cfg Config) (*Runner, error) {
	if cfg.Limit == 0 {
		cfg.Limit = 10 * time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Base == "" {
		cfg.Base = filepath.Join(cfg.Cache, "base")
	}
	r := &Runner{
		cfg: cfg, seed: make([]byte, 32), locks: map[string]*sync.Mutex{}, tools: map[string]string{},
		base: make(chan struct{}, 1),
	}
	if _, err := rand.Read(r.seed); err != nil {
		return nil, fmt.Errorf("draw seed: %w", err)
	}
	// What is left takes room and nothing else: every check makes a new folder.
	if err := repo.RemoveTree(r.temp()); err != nil {
		cfg.Log.Warn("checkouts of an earlier process are left", "folder", r.temp(), "error", err)
	}
	for _, dir := range []string{r.temp(), cfg.Deployments} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make folder of checks: %w", err)
		}
	}
	return r, nil
}

func (r *Runner) temp() string { return filepath.Join(r.cfg.Cache, "work") }

// lock serializes what shares a project's folders, and returns the unlock.
func (r *Runner) lock(project string) func() {
	l := r.mutex(project)
	l.Lock()
	return l.Unlock
}

func (r *Runner) mutex(project string) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.locks[project]
	if l == nil {
		l = &sync.Mutex{}
		r.locks[project] = l
	}
	return l
}

// work is one check under way.
type work struct {
	r       *Runner
	subject Subject
	repo    *repo.Repo // nil on a worktree
	files   []repo.File
	tree    *tree
	recipes Recipes
	wrong   error  // what is wrong with checks.yaml
	tmp     string // deleted when the check ends
	log     *recorder
	command string
	figures map[string]float64
	reports map[string][]byte
	secrets []string // masked in the log
}

func (w *work) figure(name string, value float64) { w.figures[name] = value }

// Run runs one check on a clean checkout of a commit. What is wrong with the
// product is in the verdict; an error means that the platform could not work
// (the context ended, the disk is full, the commit does not exist).
func (r *Runner) Run(ctx context.Context, s Subject) (Result, error) {
	start := time.Now()
	if _, ok := checks[s.Type]; !ok {
		return r.unknown(ctx, s)
	}
	project := r.cfg.Repos.Repo(s.Project)
	files, err := project.Files(ctx, s.Commit)
	if err != nil {
		return Result{}, fmt.Errorf("list files of %s: %w", s.Commit, err)
	}
	tmp, err := os.MkdirTemp(r.temp(), "check-")
	if err != nil {
		return Result{}, fmt.Errorf("make folder of check: %w", err)
	}
	defer func() { _ = repo.RemoveTree(tmp) }() // the next start clears what is left
	src := filepath.Join(tmp, "src")
	if err := project.Checkout(ctx, s.Commit, src); err != nil {
		return Result{}, fmt.Errorf("check out %s: %w", s.Commit, err)
	}
	w := &work{r: r, subject: s, repo: project, files: files, tmp: tmp}
	res, err := r.carry(ctx, w, src)
	if err != nil {
		return Result{}, err
	}
	res.Inputs = repo.Digest(files, s.Inputs)
	res.Duration = time.Since(start)
	res.Figures["ms"] = float64(res.Duration.Milliseconds())
	return res, r.store(ctx, &res)
}

// RunIn runs checks on the files of a folder as they are, to help an agent.
// With no types, all that apply are run. The results are marked preliminary
// and nothing of them is stored.
func (r *Runner) RunIn(ctx context.Context, s Subject, dir string, types []string) ([]Result, error) {
	if !safeName.MatchString(s.Project) {
		return nil, fault.Invalid("proof.project", "%q cannot name a project.", shorten(s.Project, 80))
	}
	var out []Result
	if len(types) == 0 {
		t, err := openTree(dir)
		if errors.Is(err, fs.ErrPermission) {
			return nil, fault.Invalid("proof.unreadable", "The product cannot be read: %s. Change the permissions of that folder, or remove it.", unreadable(err))
		}
		if err != nil {
			return nil, err
		}
		types = Applicable(t.files, t.read)
		t.close()
	}
	for _, typ := range types {
		s.Type = typ
		res, err := r.runIn(ctx, s, dir)
		if err != nil {
			return out, err
		}
		res.Preliminary = true
		out = append(out, res)
	}
	return out, nil
}

func (r *Runner) runIn(ctx context.Context, s Subject, dir string) (Result, error) {
	start := time.Now()
	if _, ok := checks[s.Type]; !ok {
		return unknownResult(s), nil
	}
	tmp, err := os.MkdirTemp(r.temp(), "check-")
	if err != nil {
		return Result{}, fmt.Errorf("make folder of check: %w", err)
	}
	defer func() { _ = repo.RemoveTree(tmp) }() // the next start clears what is left
	res, err := r.carry(ctx, &work{r: r, subject: s, tmp: tmp}, dir)
	res.Duration = time.Since(start)
	if err == nil {
		res.Figures["ms"] = float64(res.Duration.Milliseconds())
	}
	return res, err
}

// Applicable names the checks that make sense for a product in this state.
func Applicable(names []string, read func(string) ([]byte, error)) []string {
	var out []string
	has := func(patterns ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return repo.Match(patterns, n) })
	}
	recipes := recipesOf(names, read)
	if has("docs/USER_STORIES.md") {
		out = append(out, Requirements)
	}
	if has("specs/**", RecipesPath) {
		out = append(out, Spec)
	}
	if has("designs/*.html") {
		out = append(out, Design)
	}
	if recipes.Stack == "" || !has("**/*.{go,js,mjs,cjs}") {
		return out
	}
	out = append(out, Build, Lint)
	if recipes.Serve != nil {
		out = append(out, Preview)
	}
	if has("**/*_test.go", "**/*.test.{js,mjs,cjs}", "**/{test,tests}/**/*.{js,mjs,cjs}") {
		out = append(out, Unit)
		for _, typ := range []string{Integration, E2E} {
			if recipes.Declares(typ) {
				out = append(out, typ)
			}
		}
	}
	return out
}

// compiling are the checks that compile or run the product.
var compiling = []string{Build, Lint, Preview, Unit, Integration, E2E, Coverage, Deployment, Smoke}

// reporting are the checks that believe the report of a test run.
var reporting = []string{Unit, Integration, E2E, Coverage}

// carry prepares the work, runs the check within its limit, and writes its
// result down.
func (r *Runner) carry(ctx context.Context, w *work, dir string) (Result, error) {
	w.log, w.figures, w.reports = &recorder{}, map[string]float64{}, map[string][]byte{}
	res := Result{Type: w.subject.Type, Commit: w.subject.Commit, Isolation: r.cfg.Sandbox.Isolation(), Figures: w.figures}
	if slices.Contains(reporting, w.subject.Type) {
		res.Isolation.NotEnforced = append(res.Isolation.NotEnforced, "truth of a test report against code written to forge it (tests and product share a process)")
	}
	t, err := openTree(dir)
	if errors.Is(err, errTooManyFiles) {
		w.log.say("The product has more than %d files.", maxTreeFiles)
		return r.finish(w, res, blocked("the product has more than %d files; leave out what is generated or fetched", maxTreeFiles)), nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return r.finish(w, res, fail("the product cannot be read: %s; change the permissions of that folder, or remove it", unreadable(err))), nil
	}
	if err != nil {
		return Result{}, err
	}
	defer func() { w.tree.close() }()
	w.tree = t
	w.log.say("%s on %s", w.subject.Type, describe(w.subject.Commit))
	if t.bytes > maxTreeBytes {
		return r.finish(w, res, blocked("the product has more than %d MB; leave out what is generated or fetched", maxTreeBytes>>20)), nil
	}
	refused, err := w.withoutLinks(ctx)
	if err != nil {
		return Result{}, err
	}
	if len(refused) > 0 && slices.Contains(compiling, w.subject.Type) {
		return r.finish(w, res, fail("%s; a compiler or Node would follow it to something that no check looks at under this name: put the file itself in its place", list(refused))), nil
	}
	w.recipes = recipesOf(w.tree.files, w.tree.read)
	if w.tree.has(RecipesPath) {
		w.wrong = wrongRecipes(w.tree)
	}
	// Filling the base cache happens once; it is nothing the product can help.
	if w.recipes.Stack == StackGo && slices.Contains(compiling, w.subject.Type) && r.cfg.Sandbox.Check() == nil {
		if _, err := r.baseCache(ctx); err != nil && fault.KindOf(err) != fault.KindUnavailable {
			return Result{}, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, r.cfg.Limit)
	defer cancel()
	out, err := guarded(limited, w)
	switch {
	case ctx.Err() != nil:
		return Result{}, ctx.Err()
	case limited.Err() != nil:
		out = fail("the check took longer than %s; make it faster or split it", r.cfg.Limit)
	case fault.KindOf(err) == fault.KindUnavailable:
		out = blocked("%s", fault.Public(err))
	case err != nil:
		return Result{}, fmt.Errorf("run %s: %w", w.subject.Type, err)
	}
	return r.finish(w, res, out), nil
}

func wrongRecipes(t *tree) error {
	data, err := t.read(RecipesPath)
	if err == nil {
		_, err = ParseRecipes(data)
	}
	return err
}

func describe(commit string) string {
	if commit == "" {
		return "the worktree"
	}
	return "commit " + commit
}

// guarded runs the check; a panic of a parser on hostile input blocks the
// proof and nothing else.
func guarded(ctx context.Context, w *work) (out outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.say("panic: %v\n%s", p, debug.Stack())
			out, err = blocked("the check broke on this input (%s); its log has the details", shorten(fmt.Sprint(p), 120)), nil
		}
	}()
	return checks[w.subject.Type](ctx, w)
}

// finish completes a result with the outcome and the cleaned log.
func (r *Runner) finish(w *work, res Result, out outcome) Result {
	w.log.say("verdict: %s: %s", out.verdict, out.reason)
	mask := w.masker()
	res.Verdict, res.Reason, res.Command = out.verdict, mask(out.reason), w.command
	res.Log = []byte(mask(string(w.log.bytes())))
	res.Reports = map[string][]byte{}
	for name, data := range w.reports {
		res.Reports[name] = []byte(mask(string(data)))
	}
	return res
}

// masker replaces the nonces of this check and whatever looks like a
// credential.
func (w *work) masker() func(string) string {
	var pairs []string
	for _, s := range w.secrets {
		pairs = append(pairs, s, "***")
	}
	nonces := strings.NewReplacer(pairs...)
	return func(text string) string { return maskSecrets(nonces.Replace(text)) }
}

func unknownResult(s Subject) Result {
	reason := fmt.Sprintf("%q is not a check of this platform; take it out of the blueprint or use one of %s", s.Type, strings.Join(Types(), ", "))
	if s.Type == Manual {
		reason = "manual_verification comes from a person; the platform cannot give it"
	}
	return Result{
		Type: s.Type, Verdict: Blocked, Reason: reason, Commit: s.Commit,
		Figures: map[string]float64{}, Reports: map[string][]byte{},
		Log: []byte(reason + "\n"),
	}
}

func (r *Runner) unknown(ctx context.Context, s Subject) (Result, error) {
	res := unknownResult(s)
	return res, r.store(ctx, &res)
}

// store keeps log and reports as blobs, before any row names them.
func (r *Runner) store(ctx context.Context, res *Result) error {
	key, err := r.cfg.Blobs.Put(ctx, res.Log)
	if err != nil {
		return fmt.Errorf("store log: %w", err)
	}
	res.LogKey, res.LogSHA256 = key, key
	if len(res.Reports) == 0 {
		return nil
	}
	packed, err := packReports(res.Reports)
	if err != nil {
		return fmt.Errorf("pack reports: %w", err)
	}
	if res.ReportKey, err = r.cfg.Blobs.Put(ctx, packed); err != nil {
		return fmt.Errorf("store reports: %w", err)
	}
	return nil
}
