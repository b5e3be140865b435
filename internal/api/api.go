// Package api is the HTTP interface: every answer stands in one envelope, every
// route is described in the OpenAPI document that is made from its types, and
// each asks account.Can before it shows or does anything.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/repo"
	"github.com/layercake-app/layercake/internal/run"
)

// Base is the path below which the interface lives.
const Base = "/api/v1"

// maxBody bounds the body of a request, in bytes; uploads have their own limit.
const maxBody = 1 << 20

// maxOpenBody bounds the body of a request that anybody may make, in bytes.
const maxOpenBody = 8 << 10

// maxExports is how many exports may be made or sent at a time.
const maxExports = 4

// bodyTime is how long a client may take to send a body.
const bodyTime = 30 * time.Second

// Server is what the routes work with.
type Server struct {
	DB     *db.DB
	Flow   *flow.Flow
	Repos  *repo.Store
	Blobs  *blob.Dir
	Hasher *account.Hasher
	Tokens *account.Tokens
	Log    *slog.Logger
	// Local says that only this machine reaches the server. Then anybody may
	// register, and requests for another host, which a page can send with a name
	// that it lets point here, are refused.
	Local bool
	// Live tells connections what happens.
	Live *Live
	// Written adds to a run's journalled output what is being streamed.
	Written func(runID string, out run.Output, limit int) (run.Output, error)
	// Ready says what is wrong with the instance, by part; empty is well.
	Ready func(ctx context.Context) map[string]error
	// Temp is a folder for files that live as long as a request.
	Temp string
	// Version of the program.
	Version string

	process string        // names this process among those that used one database
	exports chan struct{} // one token for each export that is being made or sent
}

// Handler returns the whole interface.
func (s *Server) Handler() http.Handler {
	handler, _ := s.build()
	return handler
}

// build also returns the description, for tests and for documents.
func (s *Server) build() (http.Handler, *huma.OpenAPI) {
	s.process, s.exports = db.NewID("pro"), make(chan struct{}, maxExports)
	router := chi.NewRouter()
	router.Use(identify, harden, s.recover, s.local, patient, middleware.Compress(5, "application/json", "text/html"), sameSite, middleware.GetHead, s.authenticate, s.idempotent)
	nothing := func(w http.ResponseWriter, r *http.Request) {
		writeFailure(w, r, failure(r.Context(), fault.NotFound("route.not_found", "There is nothing at this address. The interface is described at /api/v1/openapi.json.")))
	}
	router.NotFound(nothing)
	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		f := failure(r.Context(), fault.Invalid("route.method", "This address does not take %s. The interface is described at /api/v1/openapi.json.", r.Method))
		f.status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", strings.Join(allowed(router, r.URL.Path), ", "))
		writeFailure(w, r, f)
	})
	config := huma.DefaultConfig("LayerCake", s.Version)
	config.CreateHooks = nil // no $schema in answers: the document says it
	config.DocsPath, config.SchemasPath, config.OpenAPIPath = "", "", ""
	config.RejectUnknownQueryParameters = true
	config.Formats = map[string]huma.Format{"application/json": {Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: decode}}
	config.Formats["json"] = config.Formats["application/json"]
	config.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[db.Time](), reflect.TypeFor[*time.Time]())
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"session": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"}}
	api := humachi.New(router, config)
	api.UseMiddleware(s.admit)
	for _, r := range s.routes() {
		r.add(api)
	}
	described, err := json.Marshal(describe(api.OpenAPI()))
	router.Get(Base+"/openapi.json", func(w http.ResponseWriter, r *http.Request) {
		if err != nil {
			writeFailure(w, r, failure(r.Context(), err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(described) // the client may be gone
	})
	router.Get("/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/api/docs", http.StatusFound) })
	router.Get("/api/docs", s.docs(api.OpenAPI()))
	router.Get("/api/docs.css", docsCSS)
	router.Get(Base+"/ws", s.Live.ServeHTTP)
	router.Get("/health/live", s.alive)
	router.Get("/health/ready", s.ready)
	router.Get("/health", s.ready)
	return router, api.OpenAPI()
}

// huma asks for its one way to make errors, and to describe them, in variables of
// its own.
func init() {
	huma.NewErrorWithContext = refusal
	huma.NewError = func(code int, message string, errs ...error) huma.StatusError {
		return refusal(nil, code, message, errs...)
	}
	huma.ValidateStrictCasing = true // or a second spelling of a field escapes its rules
	huma.DefaultArrayNullable = false
}

// allowed lists the methods that an address takes.
func allowed(router chi.Router, path string) (out []string) {
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if router.Match(chi.NewRouteContext(), m, path) {
			out = append(out, m)
		}
	}
	return out
}

// Bounds of a body of JSON: far more than any request needs, and few enough that
// what is wrong with each of them can be told.
const (
	maxKeys    = 500
	maxDetails = 50
)

// decode reads a body. Where it is read to be held against a schema, a body of very
// many fields is refused before, and a field whose name would be taken for a path.
func decode(data []byte, v any) error {
	if err := huma.DefaultJSONFormat.Unmarshal(data, v); err != nil {
		return errors.New("is no JSON that this address takes")
	}
	if whole, ok := v.(*any); ok {
		keys := 0
		return count(*whole, &keys)
	}
	return nil
}

func count(v any, keys *int) error {
	switch v := v.(type) {
	case map[string]any:
		if *keys += len(v); *keys > maxKeys {
			return fmt.Errorf("has more than %d fields", maxKeys)
		}
		for k, x := range v {
			if strings.ContainsAny(k, ".[") {
				return errors.New("has a field whose name has a dot or a bracket")
			}
			if err := count(x, keys); err != nil {
				return err
			}
		}
	case []any:
		for _, x := range v {
			if err := count(x, keys); err != nil {
				return err
			}
		}
	}
	return nil
}

// admit refuses nobody at the door where a session is needed, before anything that
// was sent is read.
func (s *Server) admit(c huma.Context, next func(huma.Context)) {
	if len(c.Operation().Security) == 0 {
		next(c)
		return
	}
	ctx := c.Context()
	if _, err := s.signedIn(ctx); err != nil {
		f := failure(ctx, err)
		for k, v := range f.GetHeaders() {
			c.SetHeader(k, v[0])
		}
		c.SetHeader("Content-Type", "application/json")
		c.SetStatus(f.status)
		_ = json.NewEncoder(c.BodyWriter()).Encode(f) // the client may be gone
		return
	}
	next(c)
}

// describe takes out of the description what huma adds of itself and nothing
// answers with.
func describe(doc *huma.OpenAPI) *huma.OpenAPI {
	for _, p := range doc.Paths {
		for _, op := range []*huma.Operation{p.Get, p.Post, p.Put, p.Patch, p.Delete} {
			if op != nil && !slices.Contains(op.Errors, http.StatusUnprocessableEntity) {
				delete(op.Responses, "422")
			}
		}
	}
	return doc
}

// route is one operation, ready to be added.
type route struct{ add func(api huma.API) }

// about describes a route: what it does, and the statuses it may answer with
// besides those that every route has.
type about struct {
	method, path, id, summary string
	open                      bool // no session needed
	status                    int  // 200 when 0
	conflicts                 bool // may answer 409
	versioned                 bool // takes If-Match, and may answer 412
	large                     bool // may answer 413 though nothing large was sent
	full                      bool // may answer 507 though nothing was sent
}

// tag is the noun under which the route stands in the description.
func (a about) tag() string {
	parts := strings.Split(strings.Trim(a.path, "/"), "/")
	noun := parts[0]
	if len(parts) > 2 && noun == "projects" {
		noun = parts[2]
	}
	if at, ok := under[noun]; ok {
		return at
	}
	return noun
}

// under says where in the description stands what is no noun by itself.
var under = map[string]string{
	"archive": "projects", "unarchive": "projects", "pause": "projects", "resume": "projects", "stop": "projects", "budget": "projects", "export": "projects",
	"usage": "projects", "file": "files", "blame": "files", "diff": "files", "history": "files", "me": "auth",
}

func (a about) code() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}

// reply is what huma writes.
type reply[T any] struct {
	Status int
	Body   Envelope[T]
}

// tagged is what a client may name the version of.
type tagged[T any] struct {
	data T
	tag  string
}

// taggedReply is what huma writes of it.
type taggedReply[T any] struct {
	Status int
	ETag   string `header:"ETag"`
	Body   Envelope[T]
}

// onTagged is on for what has a version.
func onTagged[I, T any](s *Server, a about, fn func(ctx context.Context, in *I) (tagged[T], error)) route {
	return route{add: func(api huma.API) {
		huma.Register(api, operation(a), func(ctx context.Context, in *I) (*taggedReply[T], error) {
			out, err := fn(ctx, in)
			if err != nil {
				return nil, s.answer(ctx, err)
			}
			return &taggedReply[T]{Status: a.code(), ETag: out.tag, Body: Envelope[T]{Success: true, Data: out.data, Meta: meta(ctx)}}, nil
		})
	}}
}

// page is a list and where it goes on.
type page[T any] struct {
	items []T
	next  string
}

// on makes a route of a function.
func on[I, T any](s *Server, a about, fn func(ctx context.Context, in *I) (T, error)) route {
	return route{add: func(api huma.API) {
		huma.Register(api, operation(a), func(ctx context.Context, in *I) (*reply[T], error) {
			data, err := fn(ctx, in)
			if err != nil {
				return nil, s.answer(ctx, err)
			}
			return &reply[T]{Status: a.code(), Body: Envelope[T]{Success: true, Data: data, Meta: meta(ctx)}}, nil
		})
	}}
}

// list is on for lists: they are never null, and say where they go on.
func list[I, T any](s *Server, a about, fn func(ctx context.Context, in *I) (page[T], error)) route {
	return route{add: func(api huma.API) {
		huma.Register(api, operation(a), func(ctx context.Context, in *I) (*reply[[]T], error) {
			p, err := fn(ctx, in)
			if err != nil {
				return nil, s.answer(ctx, err)
			}
			if p.items == nil {
				p.items = []T{}
			}
			out := &reply[[]T]{Status: a.code(), Body: Envelope[[]T]{Success: true, Data: p.items, Meta: meta(ctx)}}
			out.Body.Meta.NextCursor = p.next
			return out, nil
		})
	}}
}

func operation(a about) huma.Operation {
	op := huma.Operation{
		Method: a.method, Path: Base + a.path, OperationID: a.id, Summary: a.summary, Tags: []string{a.tag()}, DefaultStatus: a.code(), MaxBodyBytes: maxBody, BodyReadTimeout: bodyTime,
		Errors: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError, http.StatusServiceUnavailable},
	}
	if a.open {
		op.MaxBodyBytes = maxOpenBody
	} else {
		op.Security = []map[string][]string{{"session": {}}}
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	if a.large {
		op.Errors = append(op.Errors, http.StatusRequestEntityTooLarge)
	}
	if a.full {
		op.Errors = append(op.Errors, http.StatusInsufficientStorage)
	}
	if a.conflicts || a.versioned || a.method == http.MethodPost {
		op.Errors = append(op.Errors, http.StatusConflict)
	}
	if a.versioned {
		op.Errors = append(op.Errors, http.StatusPreconditionFailed, http.StatusPreconditionRequired)
	}
	if a.method != http.MethodGet {
		op.Errors = append(op.Errors, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusInsufficientStorage)
	}
	if a.method == http.MethodPost && !a.open {
		op.Errors = append(op.Errors, http.StatusUnprocessableEntity)
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
			Description: "A name of your own for this request: asked again with it within 24 hours, it is answered as before and not done again.",
		})
	}
	return op
}

// routes is every route there is.
func (s *Server) routes() []route {
	return slices.Concat(s.authRoutes(), s.projectRoutes(), s.controlRoutes(), s.changeRoutes(), s.gateRoutes(), s.peopleRoutes(), s.runRoutes(),
		s.documentRoutes(), s.commentRoutes(), s.inboxRoutes())
}
