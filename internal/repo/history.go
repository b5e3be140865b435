package repo

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// LogEntry is one commit of a history.
type LogEntry struct {
	Commit    string
	Parents   []string
	Author    Signature
	Committer Signature
	When      time.Time // of the committer
	Subject   string
	Message   string // whole, with the trailers
	Trailers  [][2]string
}

// Log returns the newest n commits that commit can be reached from, itself
// first; with n < 1 all of them.
func (r *Repo) Log(ctx context.Context, commit string, n int) ([]LogEntry, error) {
	return r.History(ctx, commit, "", 0, n)
}

// History is Log for the commits that changed one file or folder, "" for all, after
// the newest skip of them.
func (r *Repo) History(ctx context.Context, commit, path string, skip, n int) ([]LogEntry, error) {
	if _, err := r.files(ctx, commit); err != nil {
		return nil, err
	}
	const format = "%H%x00%P%x00%an%x00%ae%x00%cn%x00%ce%x00%ct%x00%s%x00%B%x00%(trailers:only=true,unfold=true)%x00"
	args := []string{"log", "--no-show-signature", "--no-mailmap", "--no-color", "--no-decorate", "--encoding=UTF-8", "--format=tformat:" + format}
	if n > 0 {
		args = append(args, "--max-count="+strconv.Itoa(n))
	}
	if skip > 0 {
		args = append(args, "--skip="+strconv.Itoa(skip))
	}
	args = append(args, "--end-of-options", commit, "--")
	if path != "" {
		if err := CheckPath(strings.TrimSuffix(path, "/")); err != nil {
			return nil, err
		}
		args = append(args, path)
	}
	out, err := r.run(ctx, call{args: args})
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	const width = 10
	fields := strings.Split(string(out), "\x00")
	var entries []LogEntry
	for ; len(fields) > width; fields = fields[width:] {
		e := LogEntry{
			Commit:    strings.TrimPrefix(fields[0], "\n"),
			Parents:   strings.Fields(fields[1]),
			Author:    Signature{Name: fields[2], Email: fields[3]},
			Committer: Signature{Name: fields[4], Email: fields[5]},
			Subject:   fields[7],
			Message:   strings.TrimSpace(fields[8]),
			Trailers:  parseTrailers(fields[9]),
		}
		unix, err := strconv.ParseInt(fields[6], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read log: time of %s: %w", e.Commit, err)
		}
		e.When = time.Unix(unix, 0).UTC()
		entries = append(entries, e)
	}
	return entries, nil
}

func parseTrailers(text string) [][2]string {
	var out [][2]string
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":"); ok {
			out = append(out, [2]string{key, strings.TrimSpace(value)})
		}
	}
	return out
}

// Changed returns the paths whose content or mode differs between two commits,
// sorted; a renamed file counts as two. With from "" it is all of to.
func (r *Repo) Changed(ctx context.Context, from, to string) ([]string, error) {
	old, err := r.filesOrNone(ctx, from)
	if err != nil {
		return nil, err
	}
	now, err := r.filesOrNone(ctx, to)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, c := range diffFiles(old, now) {
		paths = append(paths, c.path)
	}
	return paths, nil
}

// MaxDiff is the size in bytes at which Diff is cut; its last line is CutMark then.
const MaxDiff = 1 << 20

// CutMark ends a difference that was cut.
var CutMark = fmt.Sprintf("… cut at %d KB. Name the files to see the rest.\n", MaxDiff>>10)

// Diff returns the difference of two commits in git's unified format, of the
// given files and folders or of all; from "" is the empty tree.
func (r *Repo) Diff(ctx context.Context, from, to string, paths ...string) (string, error) {
	if from == "" {
		from = emptyTree
	} else if _, err := r.files(ctx, from); err != nil {
		return "", err
	}
	if _, err := r.files(ctx, to); err != nil {
		return "", err
	}
	args := []string{"diff-tree", "-r", "-p", "-M", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--end-of-options", from, to, "--"}
	for _, p := range paths {
		if err := CheckPath(strings.TrimSuffix(p, "/")); err != nil {
			return "", err
		}
		args = append(args, p)
	}
	out, err := r.run(ctx, call{args: args, limit: MaxDiff, cut: true})
	if err != nil {
		return "", fmt.Errorf("diff %s: %w", to, err)
	}
	text := string(out)
	if len(out) == MaxDiff {
		text = text[:strings.LastIndexByte(text, '\n')+1] + CutMark
	}
	return strings.ToValidUTF8(text, "\uFFFD"), nil
}

// IsAncestor says whether commit is ancestor itself or came after it.
func (r *Repo) IsAncestor(ctx context.Context, ancestor, commit string) (bool, error) {
	for _, c := range []string{ancestor, commit} {
		if _, err := r.files(ctx, c); err != nil {
			return false, err
		}
	}
	_, err := r.run(ctx, call{args: []string{"merge-base", "--is-ancestor", "--end-of-options", ancestor, commit}})
	if exitCode(err) == 1 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("compare commits: %w", err)
	}
	return true, nil
}

// BlameLine says which commit a line of a file comes from.
type BlameLine struct {
	Line   int // from 1
	Commit string
	Author Signature
	When   time.Time
	Text   string
}

// Blame returns the origin of each line of a file, as of commit.
func (r *Repo) Blame(ctx context.Context, commit, path string) ([]BlameLine, error) {
	files, err := r.files(ctx, commit)
	if err != nil {
		return nil, err
	}
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	f, ok := find(files, path)
	if !ok || f.Mode == ModeLink {
		return nil, fault.NotFound("repo.no_file", "There is no file %s in commit %s. List the files to see what there is.", path, commit[:12])
	}
	out, err := r.run(ctx, call{args: []string{"blame", "--line-porcelain", "--no-textconv", "--encoding=none", commit, "--", path}})
	if err != nil {
		return nil, fmt.Errorf("blame %s: %w", path, err)
	}
	return parseBlame(string(out))
}

func parseBlame(out string) ([]BlameLine, error) {
	var lines []BlameLine
	var now BlameLine
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "\t"); ok {
			now.Text = text
			lines = append(lines, now)
			now = BlameLine{}
			continue
		}
		key, value, _ := strings.Cut(line, " ")
		var err error
		switch {
		case now.Commit == "":
			var old int
			now.Commit = key
			_, err = fmt.Sscanf(value, "%d %d", &old, &now.Line)
		case key == "author":
			now.Author.Name = value
		case key == "author-mail":
			now.Author.Email = strings.Trim(value, "<>")
		case key == "author-time":
			var unix int64
			unix, err = strconv.ParseInt(value, 10, 64)
			now.When = time.Unix(unix, 0).UTC()
		}
		if err != nil {
			return nil, fmt.Errorf("blame: git says %q: %w", line, err)
		}
	}
	return lines, nil
}
