package repo

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

// exportsRef is where commits are remembered that were exported without being on
// main.
const exportsRef = "refs/layercake/exports/"

// ExportFolder makes dest an ordinary git repository: the branch main checked
// out, all tags, no remote, nothing shared with this repository and the
// configuration git gives a new one. dest must be empty or absent, else it is
// a fault of kind conflict, and holds either all or nothing afterwards.
func (r *Repo) ExportFolder(ctx context.Context, dest string) error {
	return r.ExportCommit(ctx, dest, "")
}

// ExportCommit is ExportFolder with the branch main on commit; "" is where it is
// in this repository. When the process dies on the way, the same call goes on
// with what it finds.
func (r *Repo) ExportCommit(ctx context.Context, dest, commit string) error {
	dest, err := filepath.Abs(dest)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	finished, err := r.Settle(ctx, dest)
	if err != nil {
		return err
	}
	switch info, err := os.Stat(dest); {
	case errors.Is(err, fs.ErrNotExist):
		return r.exportTo(ctx, dest, commit)
	case err != nil:
		return fmt.Errorf("export: %w", err)
	case !info.IsDir():
		return notEmpty(dest)
	}
	err = mustBeEmpty(dest)
	if err == nil {
		return r.exportWithin(ctx, dest, commit)
	}
	if finished {
		if why, touched := r.Touched(ctx, dest); why == "" && touched == nil {
			return r.ReplaceExport(ctx, dest, commit) // by what it is now
		}
	}
	return err
}

// exportTo makes the folder dest at once, from one beside it.
func (r *Repo) exportTo(ctx context.Context, dest, commit string) (err error) {
	parent := filepath.Dir(dest)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	r.store.sweep(parent)
	st, err := r.store.newStaging(parent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	made := st.path(stagedNew)
	if err := r.exportInto(ctx, made, commit); err != nil {
		return errors.Join(Full(err), st.drop())
	}
	r.store.step()
	if err := errors.Join(os.Chmod(made, 0o755), os.Rename(made, dest)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = notEmpty(dest) // somebody wrote there meanwhile
		}
		return errors.Join(fmt.Errorf("export: %w", err), st.drop())
	}
	return st.drop()
}

// exportWithin fills the empty folder dest, which may be a mount or somebody's
// working directory and stays the same folder: its content is made in it and
// moved up.
func (r *Repo) exportWithin(ctx context.Context, dest, commit string) (err error) {
	st, err := r.store.newStaging(dest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	err = Full(r.exportInto(ctx, st.path(stagedNew), commit))
	if entries, read := os.ReadDir(dest); err == nil && (read != nil || len(entries) > 1) {
		err = notEmpty(dest) // somebody wrote there meanwhile
	}
	if err == nil {
		err = st.decide()
	}
	if err != nil {
		return errors.Join(err, st.drop())
	}
	return st.finish(dest)
}

// exportInto fills the empty folder dir. Objects go there as one pack, not by
// clone or fetch, which would need the file protocol. The folder may be on
// another disk than the repository.
func (r *Repo) exportInto(ctx context.Context, dir, head string) error {
	var err error
	if head == "" {
		head, err = r.mainCommit(ctx)
	} else {
		err = r.SetRef(ctx, exportsRef+head, head) // so that it is known again
	}
	if err != nil {
		return err
	}
	wanted, create, err := r.exported(ctx, head)
	if err != nil {
		return err
	}
	files, err := r.files(ctx, head)
	if err != nil {
		return err
	}
	git, gitDir, packed := r.store.git, filepath.Join(dir, ".git"), filepath.Join(dir, ".git", "export.pack")
	if err := os.Mkdir(gitDir, 0o755); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	pack, err := os.OpenFile(packed, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer pack.Close() //nolint:errcheck // it is gone by then
	steps := []struct {
		gitDir string
		call   call
	}{
		{gitDir, call{dir: dir, args: []string{"init", "--quiet", "--template=", "--initial-branch=main"}}},
		{r.gitDir, call{args: []string{"pack-objects", "--quiet", "--revs", "--stdout"}, stdin: strings.NewReader(wanted), file: pack}},
		{gitDir, call{args: []string{"index-pack", "--stdin"}, stdin: io.NewSectionReader(pack, 0, 1<<62)}},
		{gitDir, call{args: []string{"update-ref", "--stdin"}, stdin: strings.NewReader(create)}},
		{gitDir, call{dir: dir, args: []string{"read-tree", head}}},
	}
	r.store.step()
	for _, s := range steps {
		if _, err := git.run(ctx, s.gitDir, s.call); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	if err := os.Remove(packed); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := errors.Join(r.writeFiles(ctx, root, files), root.Close()); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	r.store.step()
	// So that git status need not read every file. It fails where .gitattributes
	// asks for a conversion, which is then for the new owner's git to do.
	_, err = git.run(ctx, gitDir, call{dir: dir, args: []string{"update-index", "-q", "--refresh"}})
	if err != nil && exitCode(err) != 1 {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

func (r *Repo) mainCommit(ctx context.Context) (string, error) {
	head, err := r.Show(ctx, MainRef)
	if fault.KindOf(err) == fault.KindNotFound && fault.CodeOf(err) == "repo.ref" {
		return "", fault.NotFound("repo.no_main", "The project has no main branch yet. Export it once its first commit is made.")
	}
	return head, err
}

// exported lists what leaves the house: the objects to pack, and the commands
// that make main, on head, and the tags.
func (r *Repo) exported(ctx context.Context, head string) (objects, create string, err error) {
	out, err := r.run(ctx, call{args: []string{"for-each-ref", "--format=%(objectname) %(refname)", "--", "refs/tags/"}})
	if err != nil {
		return "", "", fmt.Errorf("list references: %w", err)
	}
	objects, create = head+"\n", "create "+MainRef+" "+head+"\n"
	for line := range strings.Lines(string(out)) {
		id, ref, _ := strings.Cut(strings.TrimSpace(line), " ")
		objects += id + "\n"
		create += "create " + ref + " " + id + "\n"
	}
	return objects, create, nil
}

// ExportZip writes the folder ExportCommit makes to w as a zip archive.
func (r *Repo) ExportZip(ctx context.Context, w io.Writer, commit string) error {
	if err := r.ready(); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(r.tempRoot(), "zip-")
	if err != nil {
		return Full(fmt.Errorf("export zip: %w", err))
	}
	err = r.exportInto(ctx, temp, commit)
	if err == nil {
		err = writeZip(ctx, temp, w)
	}
	return errors.Join(Full(err), RemoveTree(temp))
}

func writeZip(ctx context.Context, dir string, w io.Writer) error {
	archive := zip.NewWriter(w)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return addToZip(archive, dir, path, d)
	})
	if err := errors.Join(err, archive.Close()); err != nil {
		return fmt.Errorf("export zip: %w", err)
	}
	return nil
}

func addToZip(archive *zip.Writer, dir, path string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	header, err := zip.FileInfoHeader(info)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	header.Name = filepath.ToSlash(rel)
	if d.IsDir() {
		header.Name += "/"
		_, err := archive.CreateHeader(header)
		return err
	}
	if filepath.Ext(path) != ".pack" {
		header.Method = zip.Deflate
	}
	out, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		if err == nil {
			_, err = io.WriteString(out, target)
		}
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, f)
	return errors.Join(err, f.Close())
}

// ExportBundle writes the branch main, on commit or where it is, and all tags to
// one file at path, which git clone and git fetch read. It is there when it is
// whole; what is there already is a fault of kind conflict and stays as it is.
func (r *Repo) ExportBundle(ctx context.Context, path, commit string) (err error) {
	if err := r.ready(); err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("export bundle: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("export bundle: %w", err)
	}
	r.store.sweep(filepath.Dir(path))
	st, err := r.store.newStaging(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	temp, copied := st.path(stagedFile), st.path(stagedNew)
	err = r.exportInto(ctx, copied, commit)
	if err == nil {
		_, err = r.store.git.run(ctx, filepath.Join(copied, ".git"), call{args: []string{"bundle", "create", "--quiet", temp, "HEAD", MainRef, "--tags"}})
	}
	if err == nil {
		err = syncDir(temp)
	}
	if err == nil {
		err = place(temp, path)
	}
	if err := errors.Join(Full(err), st.drop()); err != nil {
		return fmt.Errorf("export bundle: %w", err)
	}
	return nil
}

// place gives the file temp the name path as well, at which nothing may be.
func place(temp, path string) error {
	err := os.Link(temp, path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = copyTo(temp, path) // there are file systems without links
	}
	if errors.Is(err, fs.ErrExist) {
		return fault.Conflict("out.exists", "%s is there already, and nothing is written over. Name another file.", path).Because(err)
	}
	return err
}

func copyTo(temp, path string) error {
	in, err := os.Open(temp)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()                                       // opened for reading
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) // a person's own file, for others to read
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(path)) // half of a bundle is none
	}
	return nil
}
