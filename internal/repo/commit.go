package repo

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/fault"
)

// CommitSpec says what a commit holds and who made it when. The same
// specification always gives the same commit.
type CommitSpec struct {
	// Parent is the commit the change is made on; "" makes a root commit.
	// Worktree.Commit takes the worktree's own commit and Merge its two sides:
	// there it stays "".
	Parent string
	// Parents are further parents: the side that a conflict's resolution merges.
	Parents []string
	// Put holds whole files by path, Delete the paths of files that go. Both
	// are for Repo.Commit only. A file keeps its executable bit.
	Put    map[string][]byte
	Delete []string

	Author    Signature
	Committer Signature // none: the author
	Message   string
	// Trailers are "Key: value" lines that end the message, as git's tools read
	// them. They are the last paragraph, so that nothing in Message can pass
	// for one of them.
	Trailers [][2]string
	When     time.Time // whole seconds, in UTC

	// Allow says which paths below .layercake/ the commit may change; nil: none.
	Allow func(path string) bool
}

// AllowAll is CommitSpec.Allow for what the platform itself writes.
func AllowAll(string) bool { return true }

// Commit makes a commit from whole files, without a worktree. Deleting a file
// that is not there is a fault of kind not found, a path below .layercake/
// that spec.Allow does not name one of kind forbidden.
func (r *Repo) Commit(ctx context.Context, spec CommitSpec) (string, error) {
	base, err := r.filesOrNone(ctx, spec.Parent)
	if err != nil {
		return "", err
	}
	next, blobs, err := putFiles(base, spec)
	if err != nil {
		return "", err
	}
	if err := checkChange(base, next, spec.Allow); err != nil {
		return "", err
	}
	var parents []string
	if spec.Parent != "" {
		parents = []string{spec.Parent}
	}
	return r.record(ctx, base, next, blobs, parents, spec)
}

// putFiles applies spec to the list base.
func putFiles(base []File, spec CommitSpec) ([]File, []object, error) {
	files := make(map[string]File, len(base)+len(spec.Put))
	for _, f := range base {
		files[f.Path] = f
	}
	for _, p := range spec.Delete {
		if _, ok := files[p]; !ok {
			return nil, nil, fault.NotFound("repo.no_file", "There is no file %q to delete. List the files to see what there is.", cut(p, 120))
		}
		delete(files, p)
	}
	var blobs []object
	total := int64(0)
	for _, p := range slices.Sorted(maps.Keys(spec.Put)) {
		data := spec.Put[p]
		total += int64(len(data))
		switch {
		case CheckPath(p) != nil:
			return nil, nil, CheckPath(p)
		case len(data) > MaxFileSize:
			return nil, nil, tooLarge(p)
		case total > MaxCommitted:
			return nil, nil, changeTooLarge()
		}
		mode := ModeFile
		if old, _ := find(base, p); old.Mode == ModeExecutable {
			mode = ModeExecutable
		}
		blob := newObject("blob", data)
		blobs = append(blobs, blob)
		files[p] = File{Path: p, Mode: mode, Blob: blob.id, Size: int64(len(data))}
	}
	return slices.SortedFunc(maps.Values(files), byPath), blobs, nil
}

func changeTooLarge() error {
	return fault.TooLarge("repo.too_large", "The change is larger than %d MB. Leave built files out by naming them in .gitignore.", MaxCommitted>>20)
}

// checkChange is what every new tree must pass, compared with the one before.
func checkChange(base, next []File, allow func(string) bool) error {
	if len(next) > MaxFiles {
		return fault.TooLarge("repo.too_many", "The repository would hold more than %d files. Leave built files and dependencies out by naming them in .gitignore.", MaxFiles)
	}
	names := false
	for _, c := range diffFiles(base, next) {
		if Protected(c.path) && (allow == nil || !allow(c.path)) {
			return fault.Forbidden("repo.protected", "%s belongs to the platform and cannot be changed here. Undo the change to it, and keep the others.", c.path)
		}
		names = names || c.old.Path == "" || c.new.Path == ""
	}
	if !names {
		return nil
	}
	paths := make([]string, len(next))
	for i, f := range next {
		paths[i] = f.Path
	}
	return CheckTree(paths)
}

// record writes one commit of the list next and remembers the list.
func (r *Repo) record(ctx context.Context, base, next []File, blobs []object, parents []string, spec CommitSpec) (string, error) {
	known := map[string]bool{}
	if len(parents) > 0 {
		for _, t := range buildTree(base) {
			known[t.id] = true
		}
	}
	trees := buildTree(next)
	objects := blobs
	for _, t := range trees {
		if !known[t.id] {
			objects = append(objects, t)
		}
	}
	commit, err := r.commitObject(ctx, trees[len(trees)-1].id, parents, spec)
	if err != nil {
		return "", err
	}
	if err := r.writeObjects(ctx, unique(append(objects, commit))); err != nil {
		return "", err
	}
	r.store.cache.put(r.id, commit.id, next)
	return commit.id, nil
}

func unique(objects []object) []object {
	seen := make(map[string]bool, len(objects))
	return slices.DeleteFunc(objects, func(o object) bool {
		again := seen[o.id]
		seen[o.id] = true
		return again
	})
}

// commitObject checks spec and makes the commit; parents come before
// spec.Parents.
func (r *Repo) commitObject(ctx context.Context, tree string, parents []string, spec CommitSpec) (object, error) {
	for _, p := range spec.Parents {
		if _, err := r.files(ctx, p); err != nil {
			return object{}, err
		}
		if !slices.Contains(parents, p) {
			parents = append(parents, p)
		}
	}
	committer := spec.Committer
	if committer == (Signature{}) {
		committer = spec.Author
	}
	author, err := signatureLine("author", spec.Author, spec.When)
	if err != nil {
		return object{}, err
	}
	commits, err := signatureLine("committer", committer, spec.When)
	if err != nil {
		return object{}, err
	}
	message, err := fullMessage(spec.Message, spec.Trailers)
	if err != nil {
		return object{}, err
	}
	var b strings.Builder
	b.WriteString("tree " + tree + "\n")
	for _, p := range parents {
		b.WriteString("parent " + p + "\n")
	}
	b.WriteString(author + commits + "\n" + message)
	return newObject("commit", []byte(b.String())), nil
}

// signatureLine is a header line of a commit or tag. Names are cleaned rather
// than refused: they are what people call themselves.
func signatureLine(role string, s Signature, when time.Time) (string, error) {
	name, email := cleanName(s.Name), strings.ReplaceAll(cleanName(s.Email), " ", "")
	switch {
	case name == "" || email == "":
		return "", fault.Invalid("repo.signature", "The %s needs a name and an e-mail address. Fill in both.", role)
	case when.Unix() < 0:
		return "", fault.Invalid("repo.when", "The time of a commit must be after 1970. Give the time of the change.")
	}
	return fmt.Sprintf("%s %s <%s> %d +0000\n", role, name, email, when.Unix()), nil
}

func cleanName(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case c == '<' || c == '>':
			return -1
		case unicode.IsControl(c):
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, ""))
	// git drops these at the ends of a name, so a commit read back would differ.
	return strings.Trim(strings.Join(strings.Fields(s), " "), ` .,:;"\'`)
}

var trailerKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)

// fullMessage cleans a message and appends the trailers as a paragraph.
func fullMessage(message string, trailers [][2]string) (string, error) {
	text := cleanText(message)
	if text == "" {
		return "", fault.Invalid("repo.message", "A commit or tag needs a message. Say what changed, and why.")
	}
	text += "\n"
	for i, t := range trailers {
		key, value := t[0], strings.TrimSpace(t[1])
		if !trailerKey.MatchString(key) || value == "" || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
			return "", fault.Invalid("repo.trailer", "The trailer %q: %q is refused: a key has letters, digits and -, a value is one line of text.", cut(key, 64), cut(value, 120))
		}
		if i == 0 {
			text += "\n"
		}
		text += key + ": " + value + "\n"
	}
	return text, nil
}

// cleanText leaves what a terminal shows as it is: valid UTF-8, no control
// characters but line breaks and tabs, no space at the ends of lines.
func cleanText(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	s = strings.Map(func(c rune) rune {
		if c != '\n' && c != '\t' && unicode.IsControl(c) {
			return -1
		}
		return c
	}, s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " \t")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}
