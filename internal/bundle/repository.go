package bundle

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/repo"
)

const (
	kindData = "data"
	kindZip  = "zip"
	kindRepo = "repository"

	maxZipEntry = 256 << 20
	maxZipFiles = 100_000
)

// kindOf says what lies at path.
func kindOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fault.Invalid("verify.path", "There is nothing at %s. Name a data folder, a repository or a zip.", path).Because(err)
	}
	if !info.IsDir() {
		return kindZip, nil
	}
	if _, err := os.Stat(filepath.Join(path, "layercake.db")); err == nil {
		return kindData, nil
	}
	if _, err := os.Stat(filepath.Join(path, ".git")); err == nil {
		return kindRepo, nil
	}
	return "", fault.Invalid("verify.path", "%s is neither a data folder of LayerCake nor a git repository.", path)
}

// inTree reads a file of the working tree without following links out of it.
type inTree struct{ root *os.Root }

func (t inTree) read(path string) ([]byte, error) { return t.root.ReadFile(filepath.FromSlash(path)) }

func verifyRepository(ctx context.Context, dir string, opt Options, r *Report) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fault.Invalid("verify.path", "%s cannot be read.", dir).Because(err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	tree := inTree{root}
	events, err := readEvents(tree)
	if err != nil {
		return err
	}
	r.holds("the chain of %d events is whole", len(events))
	h, err := readHistory(events)
	if err != nil {
		return err
	}
	git, err := repo.Inspect(dir) //nolint:contextcheck // it bounds its own time: it must end also when the caller is gone
	if err != nil {
		return err
	}
	if err := git.Check(ctx); err != nil {
		return broken("git finds the repository damaged: %s", fault.Public(err))
	}
	if err := committed(ctx, git, tree); err != nil {
		return err
	}
	tags, err := git.Tags(ctx)
	if err != nil {
		return err
	}
	byName := map[string]repo.Tag{}
	for _, t := range tags {
		byName[t.Name] = t
	}
	nth := map[string]int64{}
	for _, d := range h.approvals {
		key := fmt.Sprintf("%d/%s", d.Change, d.Gate)
		nth[key]++
		if err := verifyGate(ctx, git, tree, byName, d, h, nth[key], opt); err != nil {
			return err
		}
		r.holds("%s of change %d was decided by %s (%s) on %s with all its evidence", d.Gate, d.Change, d.event.Actor.ID, d.Method, short(d.Head))
	}
	if err := noStrangers(tags, h); err != nil {
		return err
	}
	for _, n := range sortedChanges(h.completed) {
		r.holds("change %d is complete", n)
	}
	return nil
}

// committed refuses a copy of the events that is not the one of the checked-out
// commit.
func committed(ctx context.Context, git *repo.Repo, tree inTree) error {
	head, err := git.Show(ctx, "HEAD")
	if err != nil {
		return broken("the checked-out commit cannot be read")
	}
	for _, name := range []string{"/events.jsonl", "/head.json"} {
		want, err := git.Read(ctx, head, flow.EvidenceRoot+name)
		if err != nil {
			return broken("the commit %s carries no %s%s", short(head), flow.EvidenceRoot, name)
		}
		if got, err := tree.read(flow.EvidenceRoot + name); err != nil || !bytes.Equal(got, want) {
			return broken("%s%s was changed since it was committed", flow.EvidenceRoot, name)
		}
	}
	return nil
}

func short(commit string) string { return commit[:min(len(commit), 12)] }

func sortedChanges(m map[int64]bool) []int64 {
	var out []int64
	for n := range m {
		out = append(out, n)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out
}

// readEvents reads the repository's copy of the event log and checks its chain
// against the head beside it.
func readEvents(tree inTree) ([]event.Event, error) {
	var chain flow.Chain
	data, err := tree.read(flow.EvidenceRoot + "/head.json")
	if err != nil {
		return nil, broken("the repository carries no %s/head.json, so it has no evidence", flow.EvidenceRoot)
	}
	if err := json.Unmarshal(data, &chain); err != nil {
		return nil, broken("%s/head.json cannot be read", flow.EvidenceRoot)
	}
	data, err = tree.read(flow.EvidenceRoot + "/events.jsonl")
	if err != nil {
		return nil, broken("the repository carries no %s/events.jsonl", flow.EvidenceRoot)
	}
	var events []event.Event
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, broken("event %d of %s/events.jsonl cannot be read", len(events)+1, flow.EvidenceRoot)
		}
		if e.Project != chain.Project {
			return nil, broken("event %d belongs to another project", e.Seq)
		}
		events = append(events, e)
	}
	if err := lines.Err(); err != nil {
		return nil, broken("%s/events.jsonl cannot be read", flow.EvidenceRoot)
	}
	if err := event.VerifyList(events, chain.Seq, chain.Hash); err != nil {
		return nil, broken("%s", fault.Public(err))
	}
	return events, nil
}

// verifyGate checks one decision: its tag, its statement, the documents it
// certified and the logs of its proofs.
func verifyGate(ctx context.Context, git *repo.Repo, tree inTree, tags map[string]repo.Tag, d decided, h history, nth int64, opt Options) error {
	if err := checkDecision(d, opt); err != nil {
		return err
	}
	tag, ok := tags[d.Tag]
	switch {
	case !ok:
		return broken("%s of change %d was decided, but the tag %s is missing", d.Gate, d.Change, d.Tag)
	case tag.Commit != d.Commit:
		return broken("the tag %s is on %s, the decision was recorded on %s", d.Tag, short(tag.Commit), short(d.Commit))
	case !anchored(tag.Message, d.event):
		return broken("the tag %s does not name event %d: the log or the tag was rewritten", d.Tag, d.event.Seq)
	}
	path := flow.StatementPath(d.Change, d.Gate, nth)
	atTag, err := git.Read(ctx, tag.Commit, path)
	if err != nil {
		return broken("%s carries no %s", d.Tag, path)
	}
	now, err := tree.read(path)
	if err != nil || !bytes.Equal(now, atTag) {
		return broken("%s was changed since %s was decided", path, d.Gate)
	}
	var st flow.Statement
	if err := json.Unmarshal(now, &st); err != nil {
		return broken("%s cannot be read", path)
	}
	readLog := func(e flow.Evidence) ([]byte, error) {
		return tree.read(flow.EvidenceRoot + "/logs/" + e.LogSHA256 + ".log")
	}
	if err := checkStatement(st, d, h, readLog, sum); err != nil {
		return err
	}
	return certified(ctx, git, tag, st, d)
}

// certified checks that the tagged commit holds what the decision saw.
func certified(ctx context.Context, git *repo.Repo, tag repo.Tag, st flow.Statement, d decided) error {
	files, err := git.Files(ctx, tag.Commit)
	if err != nil {
		return broken("the commit of the tag %s cannot be read", tag.Name)
	}
	blobs := map[string]string{}
	for _, f := range files {
		blobs[f.Path] = f.Blob
	}
	for _, c := range st.Deliverables {
		if blobs[c.Path] != c.Blob {
			return broken("%s at %s is not what was decided on", c.Path, d.Gate)
		}
	}
	return nil
}

// noStrangers refuses gate tags that no decision made: without this a log whose
// tail was cut off, head and all, would pass.
func noStrangers(tags []repo.Tag, h history) error {
	known := map[string]bool{}
	for _, d := range h.approvals {
		known[d.Tag] = true
	}
	for _, t := range tags {
		if strings.Contains("/"+t.Name, "/gate/") && !known[t.Name] {
			return broken("the tag %s marks a decision of which the events know nothing: the log was cut off or the tag was forged", t.Name)
		}
	}
	return nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// verifyZip unpacks a zip of a repository into a temporary folder and verifies
// that.
func verifyZip(ctx context.Context, path string, opt Options, r *Report) (err error) {
	dir, err := os.MkdirTemp("", "layercake-verify-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := unzip(path, dir); err != nil {
		return err
	}
	top := dir
	if entries, err := os.ReadDir(dir); err == nil && len(entries) == 1 && entries[0].IsDir() && entries[0].Name() != ".git" {
		top = filepath.Join(dir, entries[0].Name())
	}
	return verifyRepository(ctx, top, opt, r)
}

func unzip(path, dir string) (err error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return fault.Invalid("verify.zip", "%s is no zip. Name a data folder, a repository or a zip.", path).Because(err)
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	if len(z.File) > maxZipFiles {
		return fault.TooLarge("verify.zip", "%s has %d entries, more than %d.", path, len(z.File), maxZipFiles)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, f := range z.File {
		if !filepath.IsLocal(f.Name) || f.Mode()&os.ModeSymlink != 0 {
			return fault.Invalid("verify.zip", "%s has the entry %q, which leads out of it or is a link.", path, f.Name)
		}
		if err := unpack(root, f); err != nil {
			return err
		}
	}
	return nil
}

func unpack(root *os.Root, f *zip.File) (err error) {
	name := filepath.FromSlash(f.Name)
	if f.FileInfo().IsDir() {
		return root.MkdirAll(name, 0o700)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("unpack %s: %w", f.Name, err)
	}
	in, err := f.Open()
	if err != nil {
		return fault.Invalid("verify.zip", "The entry %q cannot be read.", f.Name).Because(err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", f.Name, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	n, err := io.Copy(out, io.LimitReader(in, maxZipEntry+1))
	if err != nil {
		return fault.Invalid("verify.zip", "The entry %q cannot be unpacked.", f.Name).Because(err)
	}
	if n > maxZipEntry {
		return fault.TooLarge("verify.zip", "The entry %q is larger than %d bytes.", f.Name, maxZipEntry)
	}
	return nil
}
