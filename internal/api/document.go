package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

func (s *Server) documentRoutes() []route {
	return []route{
		list(s, about{method: http.MethodGet, path: "/projects/{id}/documents", id: "list-documents", summary: "The documents at the project's head"}, s.listDocuments),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/files", id: "list-files", summary: "The files of a commit", conflicts: true}, s.listFiles),
		onTagged(s, about{method: http.MethodGet, path: "/projects/{id}/file", id: "read-file", summary: "A text file of a commit", conflicts: true, large: true}, s.readFile),
		onTagged(s, about{method: http.MethodPut, path: "/projects/{id}/file", id: "write-file", summary: "Write a text file as a commit of your own on the project's head", versioned: true}, s.writeFile),
		on(s, about{method: http.MethodDelete, path: "/projects/{id}/file", id: "delete-file", summary: "Delete a file by a commit of your own on the project's head", versioned: true}, s.deleteFile),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/history", id: "list-history", summary: "The commits of a project or of one file, the newest first", conflicts: true}, s.listHistory),
		on(s, about{method: http.MethodGet, path: "/projects/{id}/blame", id: "blame-file", summary: "Where each line of a file comes from", conflicts: true, large: true}, s.blame),
		on(s, about{method: http.MethodGet, path: "/projects/{id}/diff", id: "diff", summary: "What differs between two commits", conflicts: true}, s.diff),
		s.exportRoute(),
	}
}

// DocumentRow is a document that people read.
type DocumentRow struct {
	Path           string  `json:"path"`
	Kind           string  `json:"kind"`
	Title          string  `json:"title"`
	ReadingMinutes float64 `json:"readingMinutes"`
}

func (s *Server) listDocuments(ctx context.Context, in *OfProject) (out page[DocumentRow], err error) {
	_, p, err := s.may(ctx, account.Read, in.ID)
	if err != nil || p.Head == "" {
		return out, err
	}
	r := s.Repos.Repo(p.ID)
	files, err := r.Files(ctx, p.Head)
	if err != nil {
		return out, err
	}
	var paths []string
	for _, f := range files {
		if document.KindOf(f.Path) != "" {
			paths = append(paths, f.Path)
		}
	}
	found, err := cut(in.Paging, paths, func(path string) string { return path })
	if err != nil {
		return out, err
	}
	out.next = found.next
	content, err := r.ReadFiles(ctx, p.Head, found.items...)
	if err != nil {
		return out, err
	}
	for _, path := range found.items {
		if d, ok := document.Describe(path, content[path]); ok {
			out.items = append(out.items, DocumentRow{Path: path, Kind: d.Kind, Title: d.Title, ReadingMinutes: d.Reading.Minutes()})
		}
	}
	return out, nil
}

// At names a commit, the project's head when left out.
type At struct {
	Commit string `query:"commit" pattern:"^([0-9a-f]{40})?$" doc:"A commit; the project's head when left out."`
}

// FileRow is a file of a commit.
type FileRow struct {
	Path string `json:"path"`
	Mode string `json:"mode" doc:"As git writes it: 100644, 100755 or 120000."`
	Size int64  `json:"size" doc:"Bytes."`
}

type listFilesIn struct {
	OfProject
	At
}

func (s *Server) listFiles(ctx context.Context, in *listFilesIn) (out page[FileRow], err error) {
	r, commit, err := s.commitOf(ctx, in.ID, in.Commit)
	if err != nil {
		return out, err
	}
	files, err := r.Files(ctx, commit)
	if err != nil {
		return out, err
	}
	found, err := cut(in.Paging, files, func(f repo.File) string { return f.Path })
	for _, f := range found.items {
		out.items = append(out.items, FileRow{f.Path, f.Mode, f.Size})
	}
	out.next = found.next
	return out, err
}

// commitOf returns the repository of a project that the caller may read, and the
// commit that is meant.
func (s *Server) commitOf(ctx context.Context, projectID, commit string) (*repo.Repo, string, error) {
	_, p, err := s.may(ctx, account.Read, projectID)
	if err != nil {
		return nil, "", err
	}
	if commit == "" {
		commit = p.Head
	}
	if commit == "" {
		return nil, "", fault.Conflict("project.empty", "The project has no commit yet. Try again in a moment.")
	}
	return s.Repos.Repo(p.ID), commit, nil
}

type diffIn struct {
	ByID
	From string `query:"from" pattern:"^([0-9a-f]{40})?$" doc:"Nothing, when left out."`
	To   string `query:"to" pattern:"^([0-9a-f]{40})?$" doc:"The project's head, when left out."`
	Path string `query:"path" maxLength:"1000" doc:"A file or a folder; everything, when left out."`
}

// Diff is what differs between two commits.
type Diff struct {
	From string `json:"from"`
	To   string `json:"to"`
	Text string `json:"text" doc:"As git writes it."`
	Cut  bool   `json:"cut" doc:"It was too long and ends early. Ask for one path after the other."`
}

func (s *Server) diff(ctx context.Context, in *diffIn) (Diff, error) {
	r, to, err := s.commitOf(ctx, in.ID, in.To)
	if err != nil {
		return Diff{}, err
	}
	var paths []string
	if in.Path != "" {
		paths = append(paths, in.Path)
	}
	text, err := r.Diff(ctx, in.From, to, paths...)
	return Diff{From: in.From, To: to, Text: text, Cut: strings.HasSuffix(text, repo.CutMark)}, err
}

type exportIn struct {
	ByID
	Format string `query:"format" enum:"zip,bundle" default:"zip"`
}

// exportRoute hands out a project's repository as a file. It is made beside the
// data first, so that an error is an answer and not half a file.
func (s *Server) exportRoute() route {
	a := about{method: http.MethodGet, path: "/projects/{id}/export", id: "export-project", summary: "The repository as a zip or a git bundle", conflicts: true, full: true}
	return route{add: func(api huma.API) {
		op := operation(a)
		op.Responses = map[string]*huma.Response{"200": {Description: "The file.", Content: map[string]*huma.MediaType{
			"application/zip":          {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
			"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}}
		huma.Register(api, op, func(ctx context.Context, in *exportIn) (*huma.StreamResponse, error) {
			out, err := s.export(ctx, in)
			if err != nil {
				return nil, s.answer(ctx, err)
			}
			return &huma.StreamResponse{Body: func(c huma.Context) { s.send(ctx, c, out, in) }}, nil
		})
	}}
}

// exported is a file that was made for one request, in a folder that goes with it.
type exported struct {
	dir  string
	file *os.File
	size int64
}

func (e *exported) close() error {
	if e.file == nil {
		return os.RemoveAll(e.dir)
	}
	return errors.Join(e.file.Close(), os.RemoveAll(e.dir))
}

// export makes the file in a folder of its own, which send removes. There are only so
// many at a time, because each is as large as its project.
func (s *Server) export(ctx context.Context, in *exportIn) (out *exported, err error) {
	_, p, err := s.may(ctx, account.Read, in.ID)
	if err != nil {
		return nil, err
	}
	select {
	case s.exports <- struct{}{}:
	default:
		return nil, fault.Unavailable("export.busy", "Other exports are being made. Try again in a moment.")
	}
	defer func() {
		if err != nil {
			<-s.exports
		}
	}()
	commit, err := s.Flow.Export(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	out = &exported{}
	if out.dir, err = os.MkdirTemp(s.Temp, "export-"); err != nil {
		return nil, repo.Full(fmt.Errorf("export: %w", err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.close())
		}
	}()
	path, r := filepath.Join(out.dir, "file"), s.Repos.Repo(p.ID)
	if in.Format == "bundle" {
		err = r.ExportBundle(ctx, path, commit)
	} else {
		err = zipTo(ctx, r, path, commit)
	}
	if err != nil {
		return nil, err
	}
	if out.file, err = os.Open(path); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	info, err := out.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	out.size = info.Size()
	return out, nil
}

func zipTo(ctx context.Context, r *repo.Repo, path, commit string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return repo.Full(fmt.Errorf("export: %w", err))
	}
	return repo.Full(errors.Join(r.ExportZip(ctx, f, commit), f.Close()))
}

// sendTime is how long a client may take to fetch an export.
const sendTime = 10 * time.Minute

// send writes the file. One that cannot be read to its end must not look whole.
func (s *Server) send(ctx context.Context, c huma.Context, out *exported, in *exportIn) {
	defer func() {
		<-s.exports
		s.report(ctx, out.close())
	}()
	kind := "application/zip"
	if in.Format == "bundle" {
		kind = "application/octet-stream"
	}
	_, w := humachi.Unwrap(c)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sendTime)) // what has none needs none
	c.SetHeader("Content-Type", kind)
	c.SetHeader("Content-Length", strconv.FormatInt(out.size, 10))
	c.SetHeader("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.%s"`, in.ID, in.Format))
	c.SetStatus(http.StatusOK)
	if n, err := io.Copy(c.BodyWriter(), out.file); err != nil || n != out.size {
		s.Log.InfoContext(ctx, "export was cut short", "request", requestID(ctx), "sent", n, "of", out.size, "error", err)
		panic(http.ErrAbortHandler)
	}
}
