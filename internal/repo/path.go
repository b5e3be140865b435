package repo

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/layercake-app/layercake/internal/fault"
)

// Limits on the paths of a tree.
const (
	MaxPath    = 1024 // bytes of a path
	MaxSegment = 255  // bytes between two slashes
	MaxDepth   = 32   // segments
)

const protectedFolder = ".layercake"

// CheckPath says whether p may be the path of a file in a repository: relative,
// slash-separated, in Unicode NFC, and harmless on every system the repository
// may be cloned to. The answer no is a fault of kind invalid with the reason.
func CheckPath(p string) error {
	if why := pathFlaw(p); why != "" {
		return fault.Invalid("repo.path", "The path %q is refused: it %s. Choose another path.", cut(p, 120), why)
	}
	return nil
}

func pathFlaw(p string) string {
	switch {
	case p == "":
		return "is empty"
	case len(p) > MaxPath:
		return fmt.Sprintf("is longer than %d bytes", MaxPath)
	case !utf8.ValidString(p):
		return "is not valid UTF-8"
	case !norm.NFC.IsNormalString(p):
		return "is not in Unicode normal form C"
	case strings.ContainsFunc(p, unicode.IsControl):
		return "holds a control character"
	case strings.Contains(p, `\`):
		return "holds a backslash; folders are separated by /"
	case strings.HasPrefix(p, "/"):
		return "is absolute; paths begin at the top of the repository"
	case strings.HasSuffix(p, "/"):
		return "ends with /, and only files have a path"
	}
	segments := strings.Split(p, "/")
	if len(segments) > MaxDepth {
		return fmt.Sprintf("is more than %d folders deep", MaxDepth)
	}
	for _, s := range segments {
		if why := segmentFlaw(s); why != "" {
			return why
		}
	}
	return ""
}

func segmentFlaw(s string) string {
	switch {
	case s == "":
		return "holds an empty segment (//)"
	case s == ".", s == "..":
		return fmt.Sprintf("holds the segment %q", s)
	case len(s) > MaxSegment:
		return fmt.Sprintf("holds a segment of more than %d bytes", MaxSegment)
	case s[0] == '-':
		return fmt.Sprintf("holds %q, which commands read as an option", s)
	case isDotGit(s):
		return fmt.Sprintf("holds %q, which some systems read as .git", s)
	case strings.HasSuffix(s, "."), strings.HasSuffix(s, " "):
		return fmt.Sprintf("holds %q, whose last character Windows drops", s)
	case isDeviceName(s):
		return fmt.Sprintf("holds %q, which is a device on Windows", s)
	}
	return encodedDots(s)
}

// encodedDots refuses what becomes a way out once somebody decodes it, also
// twice or three times.
func encodedDots(s string) string {
	decoded := s
	for range 4 {
		next, err := url.PathUnescape(decoded)
		if err != nil || next == decoded {
			return ""
		}
		decoded = next
		for part := range strings.FieldsFuncSeq(decoded, func(c rune) bool { return c == '/' || c == '\\' }) {
			if part == "." || part == ".." {
				return fmt.Sprintf("holds %q, which is an encoding of %q", s, decoded)
			}
		}
	}
	return fmt.Sprintf("holds %q, which is encoded too many times", s)
}

// isDotGit recognizes .git as HFS+ (which drops some characters and folds
// case) and NTFS (which drops trailing dots, spaces and stream names) do.
func isDotGit(s string) bool {
	s = strings.ToLower(dropIgnorable(s))
	s, _, _ = strings.Cut(s, ":")
	s = strings.TrimRight(s, " .")
	return s == ".git" || s == "git~1"
}

func dropIgnorable(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 0x200c && c <= 0x200f, c >= 0x202a && c <= 0x202e, c >= 0x206a && c <= 0x206f, c == 0xfeff:
			return -1
		}
		return c
	}, s)
}

var deviceNames = []string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"}

func isDeviceName(s string) bool {
	base, _, _ := strings.Cut(s, ".")
	base, _, _ = strings.Cut(base, ":")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	if slices.Contains(deviceNames, base) {
		return true
	}
	rest, com := strings.CutPrefix(base, "COM")
	if !com {
		if rest, com = strings.CutPrefix(base, "LPT"); !com {
			return false
		}
	}
	return utf8.RuneCountInString(rest) == 1 && strings.ContainsAny(rest, "0123456789¹²³")
}

// Protected says whether path lies in .layercake/, which belongs to the
// platform; a commit or merge that changes such a path needs CommitSpec.Allow.
func Protected(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return fold(strings.TrimRight(first, " .")) == protectedFolder
}

// fold maps names that a case-insensitive or normalizing file system takes for
// the same file to the same string.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return norm.NFC.String(cases.Fold().String(norm.NFC.String(dropIgnorable(s))))
		}
	}
	return strings.ToLower(s)
}

// CheckLink says whether a symbolic link at path may have that target, which must
// be inside the tree; the answer no is a fault of kind invalid with the reason. A
// target may climb only at its start: "a/../.." reads as inside but leaves the
// tree when a is itself a link to a folder further up.
func CheckLink(path, target string) error {
	if why := linkFlaw(path, target); why != "" {
		return fault.Invalid("repo.symlink", "The symbolic link %s to %q is refused: %s. Replace it by a file, or by a relative link within the repository.", path, cut(target, 120), why)
	}
	return nil
}

func linkFlaw(path, target string) string {
	name := fold(path[strings.LastIndexByte(path, '/')+1:])
	switch {
	case strings.HasPrefix(name, ".git"):
		return "git does not accept a link of this name"
	case target == "" || len(target) > MaxPath || !utf8.ValidString(target) || strings.ContainsFunc(target, unicode.IsControl) || strings.Contains(target, `\`):
		return "its target is no plain path"
	case strings.HasPrefix(target, "/"):
		return "its target is absolute"
	}
	depth, climbing := strings.Count(path, "/"), true
	for s := range strings.SplitSeq(target, "/") {
		switch {
		case s == "" || s == ".":
		case s == ".." && !climbing:
			return "its target climbs after it descended"
		case s == "..":
			if depth--; depth < 0 {
				return "its target is outside the repository"
			}
		case isDotGit(s):
			return "its target is inside a .git"
		default:
			climbing = false
		}
	}
	return ""
}

// CheckTree says whether paths can live in one tree on every system: no two
// are the same file or folder where case or Unicode form do not count, none is
// both file and folder, and no folder looks like a bare git repository.
func CheckTree(paths []string) error {
	seen := make(map[string]string, len(paths)+len(paths)/4) // folded: as written, folders with a slash at the end
	enter := func(key, written string) error {
		switch other, ok := seen[key]; {
		case !ok:
			seen[key] = written
		case other != written:
			return fault.Invalid("repo.collision", "%s and %s cannot be in one tree: they are the same name where upper and lower case do not count, or one is a file and one a folder. Rename one of them.",
				strings.TrimSuffix(other, "/"), strings.TrimSuffix(written, "/"))
		case !strings.HasSuffix(written, "/"):
			return fault.Invalid("repo.collision", "%s is in the tree twice. Leave one out.", written)
		}
		return nil
	}
	last := ""
	for _, p := range paths {
		dir := p[:strings.LastIndexByte(p, '/')+1]
		if dir != last { // sorted lists, the usual case, name a folder once
			for i := range len(dir) {
				if dir[i] == '/' {
					if err := enter(fold(dir[:i]), dir[:i+1]); err != nil {
						return err
					}
				}
			}
			last = dir
		}
		if err := enter(fold(p), p); err != nil {
			return err
		}
	}
	for _, p := range paths {
		dir, ok := strings.CutSuffix(fold(p), "head")
		if ok && (dir == "" || dir[len(dir)-1] == '/') && isFolder(seen[dir+"objects"]) && isFolder(seen[dir+"refs"]) {
			return fault.Invalid("repo.nested", "The folder of %s is a git repository of its own. Remove it, or keep only its working files.", p)
		}
	}
	return nil
}

func isFolder(written string) bool { return strings.HasSuffix(written, "/") }

// SafeJoin joins a checked path to root; it follows nothing and opens nothing.
func SafeJoin(root, rel string) (string, error) {
	if err := CheckPath(rel); err != nil {
		return "", err
	}
	return filepath.Join(root, filepath.FromSlash(rel)), nil
}

// OpenIn opens the regular file rel below root for reading; symbolic links are
// followed only as long as they stay below root.
func OpenIn(root, rel string) (*os.File, error) {
	if err := CheckPath(rel); err != nil {
		return nil, err
	}
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	defer func() { _ = dir.Close() }() // opened for reading
	f, err := dir.OpenFile(rel, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, openError(rel, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(rel, info.Mode())
	}
	if err != nil {
		return nil, errorsJoinClose(err, f)
	}
	return f, nil
}

func notRegular(path string, mode fs.FileMode) error {
	what := "a special file"
	switch {
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	}
	return fault.Invalid("repo.not_a_file", "%s is %s, not a file. Name a file, or remove it.", path, what)
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
