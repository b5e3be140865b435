package backup

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/secret"
)

// Limits on what a backup may ask of this machine. What a member holds is limited
// by the room on the disk, which is counted before it is taken.
const (
	maxMembers  = 20_000_000
	maxHeader   = 64 << 20
	maxContents = 4 << 30
	maxRefs     = 64 << 20
	maxKey      = 64 << 10
	maxWindow   = 64 << 20 // bytes of memory to unpack with
)

// reader is a backup being unpacked into a folder of its own.
type reader struct {
	ctx        context.Context //nolint:containedctx // it lives as long as one unpacking
	dir        string
	check      func(Header) error // refuses a backup before anything is unpacked
	passphrase secret.Text

	sum   Summary
	seen  map[string]Member
	room  int64
	repos *repo.Store
	blobs *blob.Dir
	id    string // the project whose repository was begun last
}

// unpack checks a backup and lays its content into the folder dir, which is
// there and empty: layercake.db or tables, repos, blobs and access.key.
func unpack(ctx context.Context, in io.Reader, dir string, passphrase secret.Text, check func(Header) error) (Summary, error) {
	u := &reader{ctx: ctx, dir: dir, check: check, passphrase: passphrase, seen: map[string]Member{}}
	source := &faithful{r: contextReader{ctx, in}}
	err := u.open() //nolint:contextcheck // finding git bounds its own time
	if err == nil {
		err = u.read(source)
	}
	if u.repos != nil {
		err = errors.Join(err, u.repos.Close())
	}
	if source.err != nil {
		err = fmt.Errorf("read backup: %w", source.err) // of which what went wrong is a consequence
	}
	return u.sum, full(err)
}

// faithful remembers why it could not read, which unpacking would take for damage.
type faithful struct {
	r   io.Reader
	err error
}

func (f *faithful) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

func (u *reader) open() (err error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(u.dir, &disk); err != nil {
		return fmt.Errorf("look at the room on the disk: %w", err)
	}
	u.room = int64(min(disk.Bavail, 1<<40)) * int64(disk.Bsize)
	if u.repos, err = repo.Open(filepath.Join(u.dir, "repos")); err != nil {
		return err
	}
	u.blobs, err = blob.OpenDir(filepath.Join(u.dir, "blobs"))
	return err
}

func (u *reader) read(source io.Reader) error {
	plain, err := zstd.NewReader(bufio.NewReaderSize(source, 1<<20), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return fmt.Errorf("read backup: %w", err)
	}
	defer plain.Close()
	archive := tar.NewReader(plain)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return damaged("its list of contents is missing")
		}
		if err != nil {
			return damaged("it cannot be read as an archive").Because(err)
		}
		if err := u.refuse(h); err != nil {
			return err
		}
		if h.Name == contentsMember {
			if err := u.contents(h, archive); err != nil {
				return err
			}
			break
		}
		if err := u.member(h, archive); err != nil {
			return err
		}
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		return damaged("something comes after its list of contents").Because(err)
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(plain, 1<<20)); err != nil || n == 1<<20 { // the checksum stands at the end
		return damaged("its end is not what it should be").Because(err)
	}
	return nil
}

// refuse looks at a member before it is read.
func (u *reader) refuse(h *tar.Header) error {
	switch _, twice := u.seen[h.Name]; {
	case h.Typeflag != tar.TypeReg || h.Linkname != "":
		return damaged("%q is no ordinary file", shorten(h.Name))
	case twice:
		return damaged("it holds %q twice", shorten(h.Name))
	case len(u.seen) >= maxMembers:
		return damaged("it holds more than %d files", maxMembers)
	case (len(u.seen) == 0) != (h.Name == headerMember):
		return damaged("it does not begin as a backup of LayerCake does")
	}
	if u.room -= max(h.Size, 0); u.room < 0 {
		return fault.Full("backup.room", "There is not enough room on the disk of %s for what the backup holds. Nothing was restored. Free some space, or name another folder with --data.", filepath.Dir(u.dir))
	}
	return nil
}

func shorten(name string) string {
	name = strings.ToValidUTF8(name, "?")
	return name[:min(len(name), 120)]
}

// member lays one member into the folder, and notes what it is.
func (u *reader) member(h *tar.Header, r io.Reader) error {
	hash := sha256.New()
	counted := &counter{r: io.TeeReader(r, hash)}
	if err := u.lay(h, counted); err != nil {
		if counted.err != nil {
			return damaged("%q cannot be read to its end", shorten(h.Name)).Because(counted.err)
		}
		return err
	}
	if counted.n != h.Size {
		return damaged("%q is longer or shorter than it says", shorten(h.Name))
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	if key, ok := strings.CutPrefix(h.Name, blobFolder); ok && key != sum {
		u.sum.Damaged = append(u.sum.Damaged, key)
	}
	u.seen[h.Name] = Member{Name: h.Name, Size: h.Size, SHA256: sum}
	u.sum.Bytes += h.Size
	return nil
}

// counter counts what was read, and tells reading from writing when a copy fails.
type counter struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

var (
	tableName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	repoMember = regexp.MustCompile(`^repositories/([A-Za-z0-9][A-Za-z0-9_-]{0,127})/(refs|objects/(.+))$`)
)

// lay decides by the name of a member where it belongs. No name is ever a path.
func (u *reader) lay(h *tar.Header, r io.Reader) error {
	sqlite := u.sum.Database == db.SQLite
	switch in := repoMember.FindStringSubmatch(h.Name); {
	case h.Name == headerMember:
		return u.header(h, r)
	case h.Name == databaseMember && sqlite:
		return u.create(databaseMember, r)
	case strings.HasPrefix(h.Name, tableFolder) && !sqlite:
		name := strings.TrimPrefix(h.Name, tableFolder)
		if !tableName.MatchString(name) || !slices.ContainsFunc(u.sum.Tables, func(t db.Table) bool { return t.Name == name }) {
			return damaged("%q is no table that it announced", shorten(name))
		}
		return u.create(filepath.Join("tables", name), r)
	case strings.HasPrefix(h.Name, blobFolder):
		u.sum.Blobs++
		return foreign(u.blobs.Lay(strings.TrimPrefix(h.Name, blobFolder), r))
	case h.Name == keyMember:
		return u.key(h, r)
	case in == nil:
		return damaged("%q does not belong into a backup", shorten(h.Name))
	case in[2] == "refs":
		return u.refs(in[1], h, r)
	case in[1] != u.id:
		return damaged("%q stands in the wrong place", shorten(h.Name))
	default:
		return foreign(u.repos.Repo(u.id).PutObject(in[3], r))
	}
}

// foreign makes damage of what a package below refuses.
func foreign(err error) error {
	if fault.KindOf(err) == fault.KindInvalid {
		return damaged("%s", strings.TrimSuffix(fault.Public(err), ".")).Because(err)
	}
	return err
}

func (u *reader) create(name string, r io.Reader) error {
	path := filepath.Join(u.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	return nil
}

// decode reads a small member.
func decode(h *tar.Header, r io.Reader, limit int64) ([]byte, error) {
	if h.Size > limit {
		return nil, damaged("%q is too large", shorten(h.Name))
	}
	return io.ReadAll(r)
}

func (u *reader) header(h *tar.Header, r io.Reader) error {
	text, err := decode(h, r, maxHeader)
	if err != nil {
		return err
	}
	var first struct { // of a format that this program does not know no more is read
		Format  int    `json:"format"`
		Program string `json:"program"`
	}
	if err := json.Unmarshal(text, &first); err != nil {
		return damaged("its header cannot be read").Because(err)
	}
	if first.Format != Format {
		return fault.Conflict("backup.newer", "The backup was written by LayerCake %s in format %d, and this program reads format %d. Restore it with that version of LayerCake.", shorten(first.Program), first.Format, Format)
	}
	if err := json.Unmarshal(text, &u.sum.Header); err != nil {
		return damaged("its header cannot be read").Because(err)
	}
	if u.sum.Database != db.SQLite && u.sum.Database != db.Postgres {
		return damaged("it is of a database %q, which nobody knows", shorten(u.sum.Database))
	}
	return u.check(u.sum.Header)
}

func (u *reader) key(h *tar.Header, r io.Reader) error {
	sealed, err := decode(h, r, maxKey)
	if err != nil || u.passphrase == "" {
		return err
	}
	key, err := secret.Open(u.passphrase, sealed)
	if err != nil {
		return err
	}
	u.sum.Keys = true
	if err := os.WriteFile(filepath.Join(u.dir, keyFile), key, 0o600); err != nil {
		return fmt.Errorf("restore access key: %w", err)
	}
	return nil
}

// refs begins the repository of a project.
func (u *reader) refs(id string, h *tar.Header, r io.Reader) error {
	text, err := decode(h, r, maxRefs)
	if err != nil {
		return err
	}
	var refs []repo.Reference
	for line := range strings.Lines(string(text)) {
		object, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		refs = append(refs, repo.Reference{Name: name, Object: object})
	}
	git, err := u.repos.Create(u.ctx, id)
	if err != nil {
		return err
	}
	u.id = id
	u.sum.Repositories++
	return foreign(git.PutReferences(refs))
}

// contents holds what was unpacked against the list of what there should be.
func (u *reader) contents(h *tar.Header, r io.Reader) error {
	text, err := decode(h, r, maxContents)
	if err != nil {
		return damaged("its list of contents cannot be read").Because(err)
	}
	var list contents
	if err := json.Unmarshal(text, &list); err != nil {
		return damaged("its list of contents cannot be read").Because(err)
	}
	if len(list.Members) != len(u.seen) {
		return damaged("it holds %d files, and its list of contents %d", len(u.seen), len(list.Members))
	}
	for _, m := range list.Members {
		if u.seen[m.Name] != m {
			return damaged("%q is not what the list of contents says", shorten(m.Name))
		}
	}
	needed := []string{databaseMember}
	if u.sum.Database == db.Postgres {
		needed = nil
		for _, t := range u.sum.Tables {
			needed = append(needed, tableFolder+t.Name)
		}
	}
	for _, name := range needed {
		if _, ok := u.seen[name]; !ok {
			return damaged("%q is missing", shorten(name))
		}
	}
	return nil
}

// sorted returns the keys of m in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
