package proof

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"

	"github.com/layercake-app/layercake/internal/fault"
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
	commits, hits, err := w.scanHistory(ctx)
	if err != nil {
		return outcome{}, err
	}
	w.figure("commits", float64(commits))
	w.figure("findings", float64(len(found)+len(hits)))
	w.log.say("%d files, %d commits since the base of the change", scanned, commits)
	for _, hit := range slices.Concat(found, hits) {
		w.log.say("%s", hit)
	}
	switch {
	case len(found) > 0:
		return fail("%d secret(s) in the files: %s; take them out, and revoke them", len(found), list(found)), nil
	case len(hits) > 0:
		return fail("%d secret(s) in the history of this change, though no longer in its files: %s; revoke them, then waive this proof with that as the reason", len(hits), list(hits)), nil
	}
	return pass("no secret in %d files and %d commits", scanned, commits), nil
}

// scanHistory looks at what commits since the base held and the commit itself
// no longer holds.
func (w *work) scanHistory(ctx context.Context) (commits int, found []string, err error) {
	if w.repo == nil {
		return 0, nil, nil
	}
	log, err := w.repo.Log(ctx, w.subject.Commit, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("read history: %w", err)
	}
	before, seen := map[string]bool{}, map[string]bool{}
	if w.subject.Base != "" {
		old, err := w.repo.Log(ctx, w.subject.Base, 0)
		if err != nil {
			return 0, nil, fmt.Errorf("read history of the base: %w", err)
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
		commits++
		hits, err := w.scanCommit(ctx, e.Commit, seen)
		if err != nil {
			return commits, nil, err
		}
		found = append(found, hits...)
	}
	return commits, found, nil
}

func (w *work) scanCommit(ctx context.Context, commit string, seen map[string]bool) ([]string, error) {
	files, err := w.repo.Files(ctx, commit)
	if err != nil {
		return nil, fmt.Errorf("list files of %s: %w", commit, err)
	}
	var names []string
	for _, f := range files {
		if !seen[f.Blob] && f.Size <= maxFileRead {
			seen[f.Blob] = true
			names = append(names, f.Path)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	texts, err := w.repo.ReadFiles(ctx, commit, names...)
	if err != nil && fault.KindOf(err) != fault.KindTooLarge {
		return nil, fmt.Errorf("read files of %s: %w", commit, err)
	}
	var found []string
	for _, name := range names {
		hits, err := scanSecrets(name, texts[name])
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			found = append(found, h+" in commit "+short(commit))
		}
	}
	return found, nil
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
