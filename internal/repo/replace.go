package repo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

// Touched says why dir is not what ExportFolder or ExportCommit once made of this
// repository: what somebody added, changed or took away, or "" when it is exactly
// that, and nothing in it would be lost by replacing it. Every file must be that
// of a commit of main or of one that was exported, every object and tag one of
// this repository.
func (r *Repo) Touched(ctx context.Context, dir string) (why string, err error) {
	head, err := os.ReadFile(filepath.Join(dir, ".git", "refs", "heads", "main"))
	if err != nil {
		return "it is not a repository with a branch main", nil // that is the answer
	}
	commit := strings.TrimSpace(string(head))
	if !validID(commit) {
		return "its branch main names no commit", nil
	}
	if known, err := r.shown(ctx, commit); err != nil || !known {
		return "its branch main is at a commit that this project does not have", err
	}
	if why, err := r.touchedGit(ctx, filepath.Join(dir, ".git")); why != "" || err != nil {
		return why, err
	}
	files, err := r.files(ctx, commit)
	if err != nil {
		return "", err
	}
	var d *Deviation
	if err := compare(ctx, dir, files, true); !errors.As(err, &d) {
		return "", err
	}
	return d.Error(), nil
}

// shown reports whether an export may show commit: main has been there, or it was
// exported by itself.
func (r *Repo) shown(ctx context.Context, commit string) (bool, error) {
	out, err := r.run(ctx, call{args: []string{"for-each-ref", "--format=%(objectname)", "--", exportsRef + commit}})
	if err != nil || len(out) > 0 {
		return err == nil, err
	}
	main, err := r.mainCommit(ctx)
	if err != nil {
		return false, err
	}
	switch _, err := r.run(ctx, call{args: []string{"merge-base", "--is-ancestor", "--end-of-options", commit, main}}); exitCode(err) {
	case 1, 128:
		return false, nil
	default:
		return err == nil, err
	}
}

// exportedConfig are the lines that git writes into a new repository.
var exportedConfig = []string{
	"[core]", "repositoryformatversion = 0", "filemode = true", "filemode = false", "bare = false", "logallrefupdates = true",
	"symlinks = false", "ignorecase = true", "precomposeunicode = true",
}

// touchedGit looks for what an export does not put into .git. The index and the
// logs may differ: they hold names only, of objects that are looked at here.
func (r *Repo) touchedGit(ctx context.Context, gitDir string) (string, error) {
	tags, err := r.run(ctx, call{args: []string{"for-each-ref", "--format=%(refname) %(objectname)", "--", "refs/tags/"}})
	if err != nil {
		return "", fmt.Errorf("list tags: %w", err)
	}
	ours := map[string]bool{}
	for line := range strings.Lines(string(tags)) {
		ours[strings.TrimSpace(line)] = true
	}
	why := ""
	found := func(format string, args ...any) error {
		why = fmt.Sprintf(format, args...)
		return fs.SkipAll
	}
	err = filepath.WalkDir(gitDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(path, gitDir), "/"))
		if d.IsDir() {
			if slices.Contains([]string{"", "objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags", "logs"}, rel) ||
				strings.HasPrefix(rel, "refs/tags/") || strings.HasPrefix(rel, "logs/") {
				return nil
			}
			return found(".git/%s was added to it", rel)
		}
		if !d.Type().IsRegular() {
			return found(".git/%s was added to it", rel)
		}
		text, err := r.touchedGitFile(ctx, path, rel, ours)
		if err == nil && text != "" {
			return found("%s", text)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", gitDir, err)
	}
	return why, nil
}

// touchedGitFile looks at one file of .git.
func (r *Repo) touchedGitFile(ctx context.Context, path, rel string, tags map[string]bool) (string, error) {
	switch {
	case rel == "index", strings.HasPrefix(rel, "logs/"), rel == "refs/heads/main":
		return "", nil
	case strings.HasPrefix(rel, "objects/pack/"):
		switch filepath.Ext(rel) {
		case ".pack", ".rev":
			return "", nil
		case ".idx":
			return r.foreignObjects(ctx, path)
		}
		return ".git/" + rel + " was added to it", nil
	case rel != "HEAD" && rel != "config" && !strings.HasPrefix(rel, "refs/tags/"):
		return ".git/" + rel + " was added to it", nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	switch {
	case rel == "HEAD" && text != "ref: "+MainRef:
		return "its current branch is not main", nil
	case rel == "config" && !onlyLines(data, exportedConfig):
		return "its .git/config was changed", nil
	case strings.HasPrefix(rel, "refs/tags/") && !tags[rel+" "+text]:
		return "its tag " + strings.TrimPrefix(rel, "refs/tags/") + " is not one of this project", nil
	}
	return "", nil
}

func onlyLines(data []byte, allowed []string) bool {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !slices.Contains(allowed, line) {
			return false
		}
	}
	return lines.Err() == nil
}

// foreignObjects looks for objects of a pack that this repository does not have.
func (r *Repo) foreignObjects(ctx context.Context, index string) (string, error) {
	f, err := os.Open(index)
	if err != nil {
		return "", err
	}
	listed, err := r.run(ctx, call{args: []string{"show-index"}, stdin: f})
	_ = f.Close() // opened for reading
	if err != nil {
		return "one of its packs cannot be read", nil // that is the answer
	}
	var ids strings.Builder
	for line := range strings.Lines(string(listed)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			ids.WriteString(fields[1] + "\n")
		}
	}
	known, err := r.run(ctx, call{args: []string{"cat-file", "--batch-check=%(objectname)"}, stdin: strings.NewReader(ids.String())})
	if err != nil {
		return "", fmt.Errorf("look for objects: %w", err)
	}
	if bytes.Contains(known, []byte(" missing")) {
		return "it has commits or files that this project does not have", nil
	}
	return "", nil
}

// ReplaceExport makes dest, an untouched earlier export of this repository, what
// ExportCommit makes now. What somebody touched is a fault of kind conflict and
// stays as it is. The earlier export is set aside, looked at once more, and
// deleted only when the new one is in its place. When the process dies on the
// way, the next export into dest, or Settle, goes on or back.
func (r *Repo) ReplaceExport(ctx context.Context, dest, commit string) (err error) {
	if dest, err = filepath.Abs(dest); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if _, err := r.Settle(ctx, dest); err != nil {
		return err
	}
	touched := func(why string) error {
		return fault.Conflict("repo.touched", "The folder %s is left alone: %s. Name another folder.", dest, why)
	}
	why, err := r.Touched(ctx, dest)
	if err != nil {
		return err
	}
	if why != "" {
		return touched(why)
	}
	if same, err := r.current(ctx, dest, commit); same || err != nil {
		return err
	}
	st, err := r.store.newStaging(dest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	if err := r.exportInto(ctx, st.path(stagedNew), commit); err != nil {
		return errors.Join(Full(err), st.drop())
	}
	ctx = context.WithoutCancel(ctx) // from here to the end, or back
	if err := st.setAside(dest); err != nil {
		return errors.Join(err, st.back(dest))
	}
	if why, err = r.Touched(ctx, st.path(stagedEarlier)); why != "" {
		err = touched(why)
	}
	if err == nil {
		err = st.decide()
	}
	if err != nil {
		return errors.Join(err, st.back(dest))
	}
	return st.finish(dest)
}

// current reports whether an untouched export shows what would be exported now.
func (r *Repo) current(ctx context.Context, dest, commit string) (bool, error) {
	if commit == "" {
		var err error
		if commit, err = r.mainCommit(ctx); err != nil {
			return false, err
		}
	}
	_, create, err := r.exported(ctx, commit)
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(create) {
		fields := strings.Fields(line) // create REF ID
		data, err := os.ReadFile(filepath.Join(dest, ".git", filepath.FromSlash(fields[1])))
		if err != nil || strings.TrimSpace(string(data)) != fields[2] {
			return false, nil // what is missing is not current
		}
	}
	return true, nil
}
