package api

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/repo"
)

// maxText is the size of a file that is shown as text, in bytes.
const maxText = 2 << 20

// OfPath names a file.
type OfPath struct {
	Path string `query:"path" required:"true" minLength:"1" maxLength:"1000"`
}

type readFileIn struct {
	ByID
	At
	OfPath
}

// FileText is the content of a text file.
type FileText struct {
	Path   string `json:"path"`
	Commit string `json:"commit"`
	Text   string `json:"text"`
}

func (s *Server) readFile(ctx context.Context, in *readFileIn) (tagged[FileText], error) {
	r, commit, err := s.commitOf(ctx, in.ID, in.Commit)
	if err != nil {
		return tagged[FileText]{}, err
	}
	return textAt(ctx, r, commit, in.Path)
}

// textAt reads a text file of a commit; its tag is the name of its content.
func textAt(ctx context.Context, r *repo.Repo, commit, path string) (out tagged[FileText], err error) {
	f, err := fileAt(ctx, r, commit, path)
	if err != nil {
		return out, err
	}
	if f.Size > maxText {
		return out, fault.TooLarge("file.too_large", "%s has %d bytes, more than %d. Export the project to have it.", path, f.Size, maxText)
	}
	text, err := r.Read(ctx, commit, path)
	if err != nil {
		return out, err
	}
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return out, fault.Invalid("file.binary", "%s is no text. Export the project to have it.", path)
	}
	return tagged[FileText]{data: FileText{Path: path, Commit: commit, Text: string(text)}, tag: blobTag(f.Blob)}, nil
}

func blobTag(blob string) string { return `"` + blob + `"` }

// fileAt finds a file of a commit.
func fileAt(ctx context.Context, r *repo.Repo, commit, path string) (repo.File, error) {
	if err := repo.CheckPath(path); err != nil {
		return repo.File{}, err
	}
	files, err := r.Files(ctx, commit)
	if err != nil {
		return repo.File{}, err
	}
	for _, f := range files {
		if f.Path == path {
			return f, nil
		}
	}
	return repo.File{}, fault.NotFound("file.not_found", "There is no file %s in commit %.12s. List the files to see what there is.", path, commit)
}

type writeFileIn struct {
	ByID
	OfPath
	Versioned
	Body struct {
		Text    string `json:"text" maxLength:"1000000"`
		Message string `json:"message,omitempty" maxLength:"2000" doc:"Of the commit."`
	}
}

func (s *Server) writeFile(ctx context.Context, in *writeFileIn) (tagged[FileText], error) {
	text := []byte(in.Body.Text)
	return s.edit(ctx, in.ID, in.Path, in.IfMatch, in.Body.Message, text)
}

type deleteFileIn struct {
	ByID
	OfPath
	Versioned
	Message string `query:"message" maxLength:"2000" doc:"Of the commit."`
}

func (s *Server) deleteFile(ctx context.Context, in *deleteFileIn) (Done, error) {
	_, err := s.edit(ctx, in.ID, in.Path, in.IfMatch, in.Message, nil)
	return Done{Done: true}, err
}

// edit commits a new content of a file, nil deletes it. Who changes a file that is
// there has to say which content of it has been read.
func (s *Server) edit(ctx context.Context, id, path, match, message string, text []byte) (out tagged[FileText], err error) {
	a, p, err := s.may(ctx, account.Write, id)
	if err != nil {
		return out, err
	}
	r := s.Repos.Repo(p.ID)
	f, err := fileAt(ctx, r, p.Head, path)
	there := err == nil
	switch {
	case err != nil && (fault.CodeOf(err) != "file.not_found" || text == nil):
		return out, err
	case there && match == "":
		return out, fault.Conflict(codeUnconditional, "%s is there already. Send the ETag that you got with it as If-Match, so that nobody's work is lost.", path)
	case match != "" && match != "*" && (!there || match != blobTag(f.Blob)), match == "*" && !there:
		return out, s.changedFile(ctx, r, p.Head, path, fault.Conflict(flow.CodeDocumentChanged, "%s is no longer as you read it. Bring your text and the one that is there together.", path))
	}
	e := flow.Edit{Base: p.Head, Message: strings.TrimSpace(message), Author: repo.Signature{Name: a.User.Name, Email: a.User.Email}}
	if text != nil {
		e.Put = map[string][]byte{path: text}
	} else {
		e.Delete = []string{path}
	}
	if e.Message == "" {
		e.Message = "Edit " + path
	}
	// A client that leaves now leaves no half of an edit.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	commit, err := s.Flow.Edit(ctx, decider(a, p.Organization), p.ID, e)
	if fault.CodeOf(err) == flow.CodeDocumentChanged {
		now, second := s.read(ctx, p.ID)
		if second != nil {
			return out, second
		}
		return out, s.changedFile(ctx, r, now.Head, path, err)
	}
	if err != nil || text == nil {
		return out, err
	}
	return textAt(ctx, r, commit, path)
}

// changedFile answers with the content that is there now.
func (s *Server) changedFile(ctx context.Context, r *repo.Repo, head, path string, err error) error {
	now, second := textAt(ctx, r, head, path)
	if second != nil {
		return lost(err, nil)
	}
	return lost(err, now.data)
}

// Revision is a commit in a history.
type Revision struct {
	Commit  string    `json:"commit"`
	Author  string    `json:"author"`
	Subject string    `json:"subject"`
	Message string    `json:"message"`
	When    time.Time `json:"when"`
}

type listHistoryIn struct {
	OfProject
	At
	Path string `query:"path" maxLength:"1000" doc:"A file or a folder; everything when left out."`
}

func (s *Server) listHistory(ctx context.Context, in *listHistoryIn) (out page[Revision], err error) {
	r, commit, err := s.commitOf(ctx, in.ID, in.Commit)
	if err != nil {
		return out, err
	}
	after, err := in.after()
	if err != nil {
		return out, err
	}
	skip := 0
	if after != "" {
		// The cursor names the commit it began at, so that a page stays one when the head moves.
		if n, err := fmt.Sscanf(after, "%40s %d", &commit, &skip); n != 2 || err != nil || skip < 0 || skip > 1<<30 {
			return out, errCursor()
		}
	}
	found, err := r.History(ctx, commit, in.Path, skip, in.Limit+1)
	if err != nil {
		return out, err
	}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		out.next = cursor(fmt.Sprintf("%s %d", commit, skip+in.Limit))
	}
	for _, e := range found {
		out.items = append(out.items, Revision{Commit: e.Commit, Author: e.Author.Name, Subject: e.Subject, Message: e.Message, When: e.When})
	}
	return out, nil
}

// Blame says where the lines of a file come from.
type Blame struct {
	Path   string      `json:"path"`
	Commit string      `json:"commit"`
	Lines  []BlameLine `json:"lines" nullable:"false"`
}

// BlameLine is a line of a file and the commit that it comes from.
type BlameLine struct {
	Line   int       `json:"line"`
	Commit string    `json:"commit"`
	Author string    `json:"author"`
	When   time.Time `json:"when"`
	Text   string    `json:"text"`
}

func (s *Server) blame(ctx context.Context, in *readFileIn) (Blame, error) {
	r, commit, err := s.commitOf(ctx, in.ID, in.Commit)
	if err != nil {
		return Blame{}, err
	}
	if _, err := textAt(ctx, r, commit, in.Path); err != nil {
		return Blame{}, err
	}
	lines, err := r.Blame(ctx, commit, in.Path)
	out := Blame{Path: in.Path, Commit: commit, Lines: []BlameLine{}}
	for _, l := range lines {
		out.Lines = append(out.Lines, BlameLine{l.Line, l.Commit, l.Author.Name, l.When, l.Text})
	}
	return out, err
}

// lines counts the lines of a text.
func lines(text string) int64 {
	n := int64(strings.Count(text, "\n"))
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	return n
}

// place refuses a line that a file of a commit does not have.
func place(ctx context.Context, r *repo.Repo, c project.Comment) error {
	if c.Line == 0 {
		_, err := fileAt(ctx, r, c.Commit, c.Path)
		return err
	}
	f, err := textAt(ctx, r, c.Commit, c.Path)
	if err != nil {
		return err
	}
	if n := lines(f.data.Text); c.Line > n {
		return fault.Invalid("comment.line", "%s has %d lines, so there is no line %d.", c.Path, n, c.Line).WithDetails(fault.Detail{Field: "line", Message: "is beyond the end of the file"})
	}
	return nil
}
