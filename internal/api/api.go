// Package api is the HTTP interface: every answer stands in one envelope, every
// route is described in the OpenAPI document that is made from its types, and
// each asks account.Can before it shows or does anything.
package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/blob"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/repo"
)

// Base is the path below which the interface lives.
const Base = "/api/v1"

// maxBody bounds the body of a request, in bytes; uploads have their own limit.
const maxBody = 1 << 20

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
	// Ready says what is wrong with the instance, by part; empty is well.
	Ready func(ctx context.Context) map[string]error
	// Temp is a folder for files that live as long as a request.
	Temp string
	// Version of the program.
	Version string
}

// Handler returns the whole interface.
func (s *Server) Handler() http.Handler {
	handler, _ := s.build()
	return handler
}

// build also returns the description, for tests and for documents.
func (s *Server) build() (http.Handler, *huma.OpenAPI) {
	router := chi.NewRouter()
	router.Use(identify, s.recover, s.local, patient, secure, s.authenticate)
	nothing := func(w http.ResponseWriter, r *http.Request) {
		writeFailure(w, r, failure(r.Context(), fault.NotFound("route.not_found", "There is nothing at this address. The interface is described at /api/v1/openapi.json.")))
	}
	router.NotFound(nothing)
	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		f := failure(r.Context(), fault.Invalid("route.method", "This address does not take %s. The interface is described at /api/v1/openapi.json.", r.Method))
		f.status = http.StatusMethodNotAllowed
		writeFailure(w, r, f)
	})
	config := huma.DefaultConfig("LayerCake", s.Version)
	config.CreateHooks = nil // no $schema in answers: the document says it
	config.DocsPath, config.SchemasPath, config.OpenAPIPath = "", "", ""
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"session": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"}}
	api := humachi.New(router, config)
	for _, r := range s.routes() {
		r.add(api)
	}
	described, err := json.Marshal(api.OpenAPI())
	router.Get(Base+"/openapi.json", func(w http.ResponseWriter, r *http.Request) {
		if err != nil {
			writeFailure(w, r, failure(r.Context(), err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(described) // the client may be gone
	})
	router.Get("/health/live", s.live)
	router.Get("/health/ready", s.ready)
	router.Get("/health", s.ready)
	return router, api.OpenAPI()
}

// huma asks for its one way to make errors in a variable of its own.
func init() {
	huma.NewErrorWithContext = refusal
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
		Method: a.method, Path: Base + a.path, OperationID: a.id, Summary: a.summary, DefaultStatus: a.code(), MaxBodyBytes: maxBody, BodyReadTimeout: bodyTime,
		Errors: []int{http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable},
	}
	if !a.open {
		op.Security = []map[string][]string{{"session": {}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound)
	}
	if a.conflicts {
		op.Errors = append(op.Errors, http.StatusConflict)
	}
	if a.method != http.MethodGet {
		op.Errors = append(op.Errors, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusInsufficientStorage)
	}
	return op
}

// routes is every route there is.
func (s *Server) routes() []route {
	return slices.Concat(s.authRoutes(), s.projectRoutes(), s.gateRoutes(), s.runRoutes(), s.documentRoutes())
}
