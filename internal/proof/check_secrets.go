package proof

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
)

// checkSecrets looks for credentials in every file of the commit, and in every
// file that the commits since the change's base ever held.
func checkSecrets(ctx context.Context, w *work) (outcome, error) {
	w.command = "look for secrets in all files and in the history of the change"
	var found []string
	scanned, bytesRead := 0, int64(0)
	for _, name := range w.tree.files {
		if ctx.Err() != nil {
			return outcome{}, ctx.Err()
		}
		data, err := w.tree.read(name)
		if err != nil {
			return blocked("%s; make it smaller, or take it out of the repository", err), nil
		}
		hits, err := scanSecrets(name, data)
		if err != nil {
			return outcome{}, err
		}
		found = append(found, hits...)
		scanned, bytesRead = scanned+1, bytesRead+int64(len(data))
	}
	w.figure("files", float64(scanned))
	w.figure("bytes", float64(bytesRead))
	past, err := w.scanHistory(ctx)
	if err != nil {
		return outcome{}, err
	}
	hits := past.found
	w.figure("commits", float64(past.commits))
	w.figure("findings", float64(len(found)+len(hits)))
	w.log.say("%d files, %d commits since the base of the change", scanned, past.commits)
	for _, hit := range slices.Concat(found, hits) {
		w.log.say("%s", hit)
	}
	for _, name := range past.unread {
		w.log.say("not read: %s", name)
	}
	switch {
	case len(found) > 0:
		return fail("%d secret(s) in the files: %s; take them out, and revoke them", len(found), list(found)), nil
	case len(hits) > 0:
		return fail("%d secret(s) in the history of this change, though no longer in its files: %s; revoke them, then waive this proof with that as the reason", len(hits), list(hits)), nil
	case len(past.unread) > 0:
		return blocked("%d file(s) in the history of this change, though no longer in its files, are larger than %d MB and were not read: %s; look at them, then waive this proof with that as the reason", len(past.unread), maxFileRead>>20, list(past.unread)), nil
	}
	return pass("no secret in %d files and %d commits", scanned, past.commits), nil
}

// history is what the earlier commits of a change held: findings, and files too
// large to be read, each with its commit.
type history struct {
	commits       int
	found, unread []string
}

// scanHistory looks at what commits since the base held and the commit itself
// no longer holds.
func (w *work) scanHistory(ctx context.Context) (history, error) {
	var h history
	if w.repo == nil {
		return h, nil
	}
	log, err := w.repo.Log(ctx, w.subject.Commit, 0)
	if err != nil {
		return h, fmt.Errorf("read history: %w", err)
	}
	before, seen := map[string]bool{}, map[string]bool{}
	if w.subject.Base != "" {
		old, err := w.repo.Log(ctx, w.subject.Base, 0)
		if err != nil {
			return h, fmt.Errorf("read history of the base: %w", err)
		}
		for _, e := range old {
			before[e.Commit] = true
		}
	}
	for _, f := range w.files {
		seen[f.Blob] = true
	}
	for _, e := range log {
		if before[e.Commit] || e.Commit == w.subject.Commit {
			continue
		}
		if err := w.scanCommit(ctx, e.Commit, seen, &h); err != nil {
			return h, err
		}
		h.commits++
	}
	return h, nil
}

func (w *work) scanCommit(ctx context.Context, commit string, seen map[string]bool, h *history) error {
	files, err := w.repo.Files(ctx, commit)
	if err != nil {
		return fmt.Errorf("list files of %s: %w", commit, err)
	}
	var names []string
	for _, f := range files {
		switch {
		case seen[f.Blob]:
		case f.Size > maxFileRead:
			h.unread = append(h.unread, f.Path+" in commit "+short(commit))
		default:
			names = append(names, f.Path)
		}
		seen[f.Blob] = true
	}
	if len(names) == 0 {
		return nil
	}
	texts, err := w.repo.ReadFiles(ctx, commit, names...)
	if err != nil {
		return fmt.Errorf("read files of %s: %w", commit, err)
	}
	for _, name := range names {
		hits, err := scanSecrets(name, texts[name])
		if err != nil {
			return err
		}
		for _, hit := range hits {
			h.found = append(h.found, hit+" in commit "+short(commit))
		}
	}
	return nil
}

// scanSecrets names each finding by rule, file and line; the secret itself is
// never written down.
func scanSecrets(name string, data []byte) ([]string, error) {
	text := ""
	// Path rules still apply to what is not text.
	if bytes.IndexByte(data[:min(len(data), 8000)], 0) < 0 {
		text = withoutHashes(name, string(data))
	}
	found, err := findSecrets(name, text)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range found {
		out = append(out, fmt.Sprintf("%s at %s:%d", f.RuleID, name, f.StartLine+1))
	}
	return out, nil
}

var (
	sumLine   = regexp.MustCompile(`(?m)^\S+ v\S+ h1:[A-Za-z0-9+/]{43}=$`)
	integrity = regexp.MustCompile(`"integrity": "sha(1|256|384|512)-[A-Za-z0-9+/=]+"`)
)

// withoutHashes blanks the hashes of lock files, and only what has their exact
// form.
func withoutHashes(name, text string) string {
	switch path.Base(name) {
	case "go.sum":
		return sumLine.ReplaceAllString(text, "")
	case "package-lock.json":
		return integrity.ReplaceAllString(text, "")
	}
	return text
}
