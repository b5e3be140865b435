package repo

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/fault"
)

// MainRef is the reference that exports show as the branch main.
const MainRef = "refs/heads/main"

// Tag is an annotated tag.
type Tag struct {
	Name    string // without refs/tags/
	Commit  string
	Tagger  Signature
	When    time.Time
	Message string
}

// CheckRefName says whether name may be the name of a branch or tag, by the
// rules of git check-ref-format, and at most 200 bytes long.
func CheckRefName(name string) error {
	if why := refFlaw(name); why != "" {
		return fault.Invalid("repo.ref", "The name %q is refused: it %s. Choose another name.", cut(name, 120), why)
	}
	return nil
}

func refFlaw(name string) string {
	switch {
	case name == "" || len(name) > 200:
		return "must have 1 to 200 bytes"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "holds what is not text"
	case strings.ContainsAny(name, ` ~^:?*[\`):
		return `holds a space or one of ~ ^ : ? * [ \`
	case strings.Contains(name, ".."), strings.Contains(name, "@{"), name == "@":
		return "holds .. or @{, or is @"
	case strings.HasSuffix(name, "."), strings.HasPrefix(name, "-"):
		return "begins with - or ends with a dot"
	}
	for s := range strings.SplitSeq(name, "/") {
		if s == "" || s[0] == '.' || strings.HasSuffix(s, ".lock") {
			return "holds an empty part, or one that begins with a dot or ends with .lock"
		}
	}
	return ""
}

// Show resolves a commit's name, a branch, a tag or a full reference to the
// name of a commit; a fault of kind not found when there is none.
func (r *Repo) Show(ctx context.Context, ref string) (string, error) {
	if err := CheckRefName(ref); err != nil {
		return "", err
	}
	out, err := r.run(ctx, call{args: []string{"rev-parse", "--verify", "--quiet", "--end-of-options", ref + "^{commit}"}})
	if code := exitCode(err); code == 1 || code == 128 {
		return "", fault.NotFound("repo.ref", "There is no branch, tag or commit %s in this project.", cut(ref, 120)).Because(err)
	}
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", ref, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// SetRef points a reference below refs/heads/ or refs/layercake/ to commit,
// wherever it pointed before.
func (r *Repo) SetRef(ctx context.Context, ref, commit string) error {
	if err := checkRef(ref); err != nil {
		return err
	}
	if _, err := r.files(ctx, commit); err != nil {
		return err
	}
	return r.updateRef(ctx, ref, commit)
}

// SwapRef points a reference to commit when it points to old, or, with old "",
// when it does not exist. Otherwise it is a fault of kind conflict, but for a
// reference that already points to commit.
func (r *Repo) SwapRef(ctx context.Context, ref, commit, old string) error {
	if err := checkRef(ref); err != nil {
		return err
	}
	if _, err := r.files(ctx, commit); err != nil {
		return err
	}
	if old == "" {
		old = noObject
	} else if err := checkCommit(old); err != nil {
		return err
	}
	failed := r.updateRef(ctx, ref, commit, old)
	if exitCode(failed) != 128 {
		return failed
	}
	now, err := r.Show(ctx, ref)
	if fault.KindOf(err) == fault.KindNotFound {
		now, err = noObject, nil
	}
	switch {
	case err == nil && now == commit:
		return nil
	case err != nil || now == old:
		return failed
	}
	return fault.Conflict("repo.ref_moved", "%s does not point to the expected commit any more. Read it and try again.", ref).Because(failed)
}

// noObject is what git takes for the absence of a reference.
const noObject = "0000000000000000000000000000000000000000"

func checkRef(ref string) error {
	if !strings.HasPrefix(ref, "refs/heads/") && !strings.HasPrefix(ref, "refs/layercake/") {
		return fault.Invalid("repo.ref", "%q is no reference to set: it must begin with refs/heads/ or refs/layercake/.", cut(ref, 120))
	}
	return CheckRefName(ref)
}

// updateRef runs to its end once begun: a killed git leaves a lock behind.
func (r *Repo) updateRef(ctx context.Context, ref, object string, old ...string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	r.refs.Lock()
	defer r.refs.Unlock()
	_, err := r.run(ctx, call{args: append([]string{"update-ref", "--no-deref", "--end-of-options", ref, object}, old...)})
	if err != nil {
		return fmt.Errorf("set %s: %w", ref, err)
	}
	return nil
}

// Tag makes an annotated tag. It may be repeated: a tag of that name on that
// commit is fine whatever it says, on another one a fault of kind conflict.
func (r *Repo) Tag(ctx context.Context, name, commit, message string, tagger Signature, when time.Time) error {
	if err := CheckRefName(name); err != nil {
		return err
	}
	if _, err := r.files(ctx, commit); err != nil {
		return err
	}
	if done, err := r.tagged(ctx, name, commit); done || err != nil {
		return err
	}
	line, err := signatureLine("tagger", tagger, when)
	if err != nil {
		return err
	}
	text, err := fullMessage(message, nil)
	if err != nil {
		return err
	}
	tag := newObject("tag", []byte("object "+commit+"\ntype commit\ntag "+name+"\n"+line+"\n"+text))
	if err := r.writeObjects(ctx, []object{tag}); err != nil {
		return err
	}
	failed := r.updateRef(ctx, "refs/tags/"+name, tag.id, noObject)
	if failed == nil {
		return nil
	}
	if done, err := r.tagged(ctx, name, commit); done || err != nil { // somebody was faster
		return err
	}
	return failed
}

func (r *Repo) tagged(ctx context.Context, name, commit string) (bool, error) {
	at, err := r.Show(ctx, "refs/tags/"+name)
	switch {
	case fault.KindOf(err) == fault.KindNotFound && fault.CodeOf(err) == "repo.ref":
		return false, nil
	case err != nil:
		return false, err
	case at != commit:
		return false, fault.Conflict("repo.tag_exists", "The tag %s is already on commit %s. Choose another name.", name, at[:12])
	}
	return true, nil
}

// Tags returns the tags, sorted by name.
func (r *Repo) Tags(ctx context.Context) ([]Tag, error) {
	const format = "%(refname:strip=2)%00%(objectname)%00%(*objectname)%00%(taggername)%00%(taggeremail:trim)%00%(taggerdate:unix)%00%(contents)%00"
	out, err := r.run(ctx, call{args: []string{"for-each-ref", "--format=" + format, "--", "refs/tags/"}})
	if err != nil {
		return nil, fmt.Errorf("list tags: %w", err)
	}
	const width = 7
	fields := strings.Split(string(out), "\x00")
	var tags []Tag
	for ; len(fields) > width; fields = fields[width:] {
		t := Tag{Name: strings.TrimPrefix(fields[0], "\n"), Commit: fields[2], Tagger: Signature{Name: fields[3], Email: fields[4]}, Message: strings.TrimSpace(fields[6])}
		if t.Commit == "" { // a tag without an object of its own
			t.Commit = fields[1]
		}
		if unix, err := strconv.ParseInt(fields[5], 10, 64); err == nil {
			t.When = time.Unix(unix, 0).UTC()
		}
		tags = append(tags, t)
	}
	slices.SortFunc(tags, func(a, b Tag) int { return strings.Compare(a.Name, b.Name) })
	return tags, nil
}
