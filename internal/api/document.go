package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/document"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/repo"
)

func (s *Server) documentRoutes() []route {
	return []route{
		list(s, about{method: http.MethodGet, path: "/projects/{id}/documents", id: "list-documents", summary: "The documents at the project's head"}, s.listDocuments),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/files", id: "list-files", summary: "The files of a commit"}, s.listFiles),
		on(s, about{method: http.MethodGet, path: "/projects/{id}/file", id: "read-file", summary: "A text file of a commit"}, s.readFile),
		on(s, about{method: http.MethodGet, path: "/projects/{id}/diff", id: "diff", summary: "What differs between two commits"}, s.diff),
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

func (s *Server) listDocuments(ctx context.Context, in *ByID) (out page[DocumentRow], err error) {
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
	content, err := r.ReadFiles(ctx, p.Head, paths...)
	if err != nil {
		return out, err
	}
	for _, path := range paths {
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
	ByID
	At
}

func (s *Server) listFiles(ctx context.Context, in *listFilesIn) (out page[FileRow], err error) {
	r, commit, err := s.commitOf(ctx, in.ID, in.Commit)
	if err != nil || commit == "" {
		return out, err
	}
	files, err := r.Files(ctx, commit)
	for _, f := range files {
		out.items = append(out.items, FileRow{f.Path, f.Mode, f.Size})
	}
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
	return s.Repos.Repo(p.ID), commit, nil
}

type readFileIn struct {
	ByID
	At
	Path string `query:"path" required:"true" minLength:"1" maxLength:"1000"`
}

// FileText is the content of a text file.
type FileText struct {
	Path   string `json:"path"`
	Commit string `json:"commit"`
	Text   string `json:"text"`
}

func (s *Server) readFile(ctx context.Context, in *readFileIn) (FileText, error) {
	r, commit, err := s.commitOf(ctx, in.ID, in.Commit)
	if err != nil {
		return FileText{}, err
	}
	text, err := r.Read(ctx, commit, in.Path)
	if err != nil {
		return FileText{}, err
	}
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return FileText{}, fault.Invalid("file.binary", "%s is no text. Export the project to have it.", in.Path)
	}
	return FileText{Path: in.Path, Commit: commit, Text: string(text)}, nil
}

type diffIn struct {
	ByID
	From string `query:"from" pattern:"^([0-9a-f]{40})?$" doc:"Nothing, when left out."`
	To   string `query:"to" pattern:"^([0-9a-f]{40})?$" doc:"The project's head, when left out."`
}

// Diff is what differs between two commits.
type Diff struct {
	From string `json:"from"`
	To   string `json:"to"`
	Text string `json:"text" doc:"As git writes it."`
}

func (s *Server) diff(ctx context.Context, in *diffIn) (Diff, error) {
	r, to, err := s.commitOf(ctx, in.ID, in.To)
	if err != nil {
		return Diff{}, err
	}
	text, err := r.Diff(ctx, in.From, to)
	return Diff{From: in.From, To: to, Text: text}, err
}

type exportIn struct {
	ByID
	Format string `query:"format" enum:"zip,bundle" default:"zip"`
}

// exportRoute hands out a project's repository as a file. It is made beside the
// data first, so that an error is an answer and not half a file.
func (s *Server) exportRoute() route {
	a := about{method: http.MethodGet, path: "/projects/{id}/export", id: "export-project", summary: "The repository as a zip or a git bundle"}
	return route{add: func(api huma.API) {
		op := operation(a)
		op.Responses = map[string]*huma.Response{"200": {Description: "The file.", Content: map[string]*huma.MediaType{
			"application/zip":          {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
			"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}}
		huma.Register(api, op, func(ctx context.Context, in *exportIn) (*huma.StreamResponse, error) {
			dir, err := s.export(ctx, in)
			if err != nil {
				return nil, s.answer(ctx, err)
			}
			return &huma.StreamResponse{Body: func(c huma.Context) { s.send(ctx, c, dir, in) }}, nil
		})
	}}
}

// export makes the file in a folder of its own, which send removes.
func (s *Server) export(ctx context.Context, in *exportIn) (dir string, err error) {
	_, p, err := s.may(ctx, account.Read, in.ID)
	if err != nil {
		return "", err
	}
	commit, err := s.Flow.Export(ctx, p.ID)
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(s.Temp, "export-"); err != nil {
		return "", fmt.Errorf("export: %w", err)
	}
	path, r := filepath.Join(dir, "file"), s.Repos.Repo(p.ID)
	if in.Format == "bundle" {
		err = r.ExportBundle(ctx, path, commit)
	} else {
		err = zipTo(ctx, r, path, commit)
	}
	if err != nil {
		return "", joined(err, os.RemoveAll(dir))
	}
	return dir, nil
}

func zipTo(ctx context.Context, r *repo.Repo, path, commit string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return joined(r.ExportZip(ctx, f, commit), f.Close())
}

// joined is the first error; the second adds to its cause.
func joined(err, second error) error {
	if err == nil {
		return second
	}
	if second != nil {
		return fmt.Errorf("%w (and %w)", err, second)
	}
	return err
}

func (s *Server) send(ctx context.Context, c huma.Context, dir string, in *exportIn) {
	defer func() { s.report(ctx, os.RemoveAll(dir)) }()
	data, err := os.Open(filepath.Join(dir, "file"))
	if err != nil {
		s.report(ctx, err)
		c.SetStatus(http.StatusInternalServerError)
		return
	}
	defer func() { _ = data.Close() }() // opened for reading
	kind := "application/zip"
	if in.Format == "bundle" {
		kind = "application/octet-stream"
	}
	c.SetHeader("Content-Type", kind)
	c.SetHeader("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.%s"`, in.ID, in.Format))
	if _, err := data.WriteTo(c.BodyWriter()); err != nil && ctx.Err() == nil {
		s.Log.InfoContext(ctx, "export was cut short", "request", requestID(ctx), "error", err)
	}
}
