// Package bundle checks the evidence of a project, wherever it lies: in a data
// folder, in a repository, or in a zip of one. It believes nothing that it has
// not recomputed: the chain of events, the way of each change through its gates,
// the logs behind each proof, the documents behind each decision, the tags that
// anchor the chain, and that the files are those which were decided on. The
// first claim that does not hold is named. Nothing is signed: whoever writes a
// whole history anew is found out only by the head of the chain, kept elsewhere.
package bundle

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

// Options say how strict a verification is.
type Options struct {
	// RequireHuman refuses decisions that were delegated to the machine.
	RequireHuman bool
	// Expect is the hash of the last event, as an earlier verification printed
	// it; a project with another one is refused. Empty expects nothing.
	Expect string
	// Young is content with a data folder in which nobody has decided anything yet.
	Young bool
}

// Report lists what was found to hold, in order.
type Report struct {
	Claims []string
}

func (r *Report) holds(format string, args ...any) {
	r.Claims = append(r.Claims, fmt.Sprintf(format, args...))
}

const codeBroken = "verify.broken"

// broken is a claim that does not hold.
func broken(format string, args ...any) error {
	return fault.Conflict(codeBroken, "%s", fmt.Sprintf(format, args...))
}

// Broken reports whether err is a claim that was found not to hold. Any other
// error of Verify kept it from finding out.
func Broken(err error) bool { return fault.CodeOf(err) == codeBroken }

// found makes a broken claim of an error that is about what is verified; one
// about this machine, or a caller that went away, stays what it is.
func found(err error, format string, args ...any) error {
	if !repo.About(err) {
		return err
	}
	return broken(format, args...)
}

var validHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Verify checks what lies at path: a data folder, a repository, or a zip of
// one. The report lists what holds; an error that is Broken names the first claim
// that does not, and any other error says what kept Verify from finding out. It
// changes nothing and creates nothing, but for the working files that SQLite lays
// beside a database. What cannot be verified at all, because there is nothing of
// the kind at path, is a fault of kind invalid.
func Verify(ctx context.Context, path string, opt Options) (Report, error) {
	var r Report
	if opt.Expect != "" && !validHash.MatchString(opt.Expect) {
		return r, fault.Invalid("verify.expect", "%q is no hash of an event: it has 64 digits from 0 to 9 and a to f. Copy it from what `layercake verify` printed.", opt.Expect)
	}
	kind, err := kindOf(path)
	if err != nil {
		return r, err
	}
	switch kind {
	case kindData:
		err = verifyData(ctx, path, opt, &r)
	case kindZip:
		err = verifyZip(ctx, path, opt, &r)
	default:
		err = verifyRepository(ctx, path, opt, &r)
	}
	return r, err
}

const (
	kindData = "data"
	kindZip  = "zip"
	kindRepo = "repository"
)

// kindOf says what lies at path. What has a .git is a repository, whatever else
// somebody has put there.
func kindOf(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fault.Invalid("verify.path", "There is nothing at %s. Name a data folder, a repository or a zip.", path).Because(err)
	case info.Mode().IsRegular():
		return kindZip, nil
	case !info.IsDir():
		return "", fault.Invalid("verify.path", "%s is neither a folder nor a file. Name a data folder, a repository or a zip.", path)
	}
	if _, err := os.Lstat(filepath.Join(path, ".git")); err == nil {
		return kindRepo, nil
	}
	if _, err := os.Lstat(filepath.Join(path, databaseFile)); err == nil {
		return kindData, nil
	}
	return "", fault.Invalid("verify.path", "%s is neither a data folder of LayerCake nor a git repository.", path)
}

// expected holds the ends of the chains against the hash that is expected, which
// has to be one of them.
func expected(opt Options, chains ...[]event.Event) error {
	if opt.Expect == "" {
		return nil
	}
	for _, events := range chains {
		i := slices.IndexFunc(events, func(e event.Event) bool { return e.Hash == opt.Expect })
		switch {
		case i < 0:
		case i == len(events)-1:
			return nil
		default:
			return broken("the expected hash is that of event %d, and the log has gone on to event %d since. Expect the newer hash once you know what happened in between.", i+1, len(events))
		}
	}
	return broken("no log ends with the expected hash %s: this is another history. Get it again from where it came from, or ask for the right hash.", opt.Expect)
}
