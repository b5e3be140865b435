package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

// Reference is a name of a repository and the object it points to.
type Reference struct {
	Name   string // such as refs/heads/main
	Object string
}

// References returns the branches, the tags and our own references.
func (r *Repo) References(ctx context.Context) ([]Reference, error) {
	out, err := r.run(ctx, call{args: []string{"for-each-ref", "--format=%(objectname) %(refname)", "--", "refs/heads/", "refs/tags/", "refs/layercake/"}})
	if err != nil {
		return nil, fmt.Errorf("list references: %w", err)
	}
	var refs []Reference
	for line := range strings.Lines(string(out)) {
		if object, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok {
			refs = append(refs, Reference{Name: name, Object: object})
		}
	}
	return refs, nil
}

// objectFile matches the files below objects that hold objects or find them: all
// a repository needs of that folder.
var objectFile = regexp.MustCompile(`^([0-9a-f]{2}/[0-9a-f]{38}|pack/pack-[0-9a-f]{40}\.(pack|idx|rev))$`)

// copyRounds bounds how often files may vanish under Objects before it gives up.
const copyRounds = 10

// Objects calls fn with every file that holds objects, by its name below the
// folder of objects, while others may write. What was there when it was called
// is in what fn has been given: when git packs objects anew meanwhile, the files
// that took the place of those that vanished are given too.
func (r *Repo) Objects(ctx context.Context, fn func(name string, f *os.File) error) error {
	given := map[string]bool{}
	for range copyRounds {
		names, err := r.objectFiles()
		if err != nil {
			return err
		}
		vanished := false
		for _, name := range names {
			if given[name] {
				continue
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			err := withFile(filepath.Join(r.gitDir, "objects", filepath.FromSlash(name)), func(f *os.File) error { return fn(name, f) })
			switch {
			case errors.Is(err, errVanished):
				vanished = true
			case err != nil:
				return err
			default:
				given[name] = true
			}
		}
		if !vanished {
			return nil
		}
	}
	return fault.Unavailable("repo.moving", "The objects of %s are being packed again and again. Try again when nothing packs them.", r.id)
}

var errVanished = errors.New("the file is not there any more")

func withFile(path string, fn func(f *os.File) error) error {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errVanished
	}
	if err != nil {
		return fmt.Errorf("read objects: %w", err)
	}
	return errorsJoinClose(fn(f), f)
}

// objectFiles lists the files of objects. Git writes a pack before it removes
// what went into it, so the packs are looked at last; and a pack is nothing
// without its index but an index is wrong without its pack, so packs come first.
func (r *Repo) objectFiles() ([]string, error) {
	root := filepath.Join(r.gitDir, "objects")
	folders, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.NotFound("repo.missing", "Project %s has no repository here. Restore its folder from a backup.", r.id).Because(err)
	}
	if err != nil {
		return nil, fmt.Errorf("list objects: %w", err)
	}
	var loose, packs []string
	slices.SortFunc(folders, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) }) // "pack" after all digits
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(root, folder.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // git removes a folder that became empty
			return nil, fmt.Errorf("list objects: %w", err)
		}
		for _, e := range entries {
			switch name := folder.Name() + "/" + e.Name(); {
			case !objectFile.MatchString(name):
			case strings.HasSuffix(name, ".pack"):
				packs = slices.Insert(packs, 0, name)
			case folder.Name() == "pack":
				packs = append(packs, name)
			default:
				loose = append(loose, name)
			}
		}
	}
	return append(loose, packs...), nil
}

// PutObject writes a file that Objects gave into a repository that nobody uses
// yet. Its content is not looked at, and not durable before the caller syncs the
// disk: Check says afterwards what it is worth.
func (r *Repo) PutObject(name string, content io.Reader) error {
	if !objectFile.MatchString(name) {
		return fault.Invalid("repo.object", "%q is no file of objects. Take what was copied from a repository.", cut(name, 120))
	}
	path := filepath.Join(r.gitDir, "objects", filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Full(fmt.Errorf("write objects: %w", err))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return Full(fmt.Errorf("write objects: %w", err))
	}
	_, err = io.Copy(f, content)
	return Full(errorsJoinClose(err, f))
}

// PutReferences makes references the only ones of a repository that nobody uses
// yet. It does not look whether their objects are there; see PutObject.
func (r *Repo) PutReferences(refs []Reference) error {
	var text strings.Builder
	for _, ref := range refs {
		known := strings.HasPrefix(ref.Name, "refs/tags/") || checkRef(ref.Name) == nil
		if !known || refFlaw(ref.Name) != "" || !validID(ref.Object) {
			return fault.Invalid("repo.ref", "%q is no reference of a project. Take what was copied from a repository.", cut(ref.Name, 120))
		}
		text.WriteString(ref.Object + " " + ref.Name + "\n")
	}
	if err := os.WriteFile(filepath.Join(r.gitDir, "packed-refs"), []byte(text.String()), 0o600); err != nil {
		return Full(fmt.Errorf("write references: %w", err))
	}
	return nil
}
