package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
)

// Meta says which request an answer belongs to, and where a list goes on.
type Meta struct {
	Timestamp  time.Time `json:"timestamp" doc:"When the answer was made, UTC."`
	RequestID  string    `json:"requestId" doc:"Name it when you report a problem."`
	NextCursor string    `json:"nextCursor,omitempty" doc:"Where the list goes on; missing at its end."`
}

// Envelope is every answer that is no error.
type Envelope[T any] struct {
	Success bool `json:"success"`
	Data    T    `json:"data" nullable:"false"`
	Meta    Meta `json:"meta"`
}

// Problem is what went wrong, and what to do next.
type Problem struct {
	Code    string         `json:"code" doc:"Stable, for programs."`
	Message string         `json:"message" doc:"For people; names the next step."`
	Details []fault.Detail `json:"details" nullable:"false" doc:"Every wrong field, or every unmet condition."`
	Current any            `json:"current,omitempty" doc:"With 412: the row as it is now."`
}

// Failure is every answer that is an error.
type Failure struct {
	Success bool    `json:"success"`
	Problem Problem `json:"error"`
	Meta    Meta    `json:"meta"`

	status int
}

// Error is the message for people.
func (f *Failure) Error() string { return f.Problem.Message }

// GetStatus is the HTTP status.
func (f *Failure) GetStatus() int { return f.status }

// GetHeaders are the headers that go with the status.
func (f *Failure) GetHeaders() http.Header {
	h := http.Header{}
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="LayerCake"`) // RFC 9110 §11.6.1
	}
	return h
}

// status maps the kinds of faults, the only place that does.
var status = map[fault.Kind]int{
	fault.KindInvalid:         http.StatusBadRequest,
	fault.KindUnauthenticated: http.StatusUnauthorized,
	fault.KindForbidden:       http.StatusForbidden,
	fault.KindNotFound:        http.StatusNotFound,
	fault.KindConflict:        http.StatusConflict,
	fault.KindTooLarge:        http.StatusRequestEntityTooLarge,
	fault.KindRateLimited:     http.StatusTooManyRequests,
	fault.KindUnavailable:     http.StatusServiceUnavailable,
	fault.KindFull:            http.StatusInsufficientStorage,
	fault.KindInternal:        http.StatusInternalServerError,
}

// failure is the answer to an error; the cause stays behind.
func failure(ctx context.Context, err error) *Failure {
	out := &Failure{
		Problem: Problem{Code: fault.CodeOf(err), Message: fault.Public(err), Details: []fault.Detail{}},
		Meta:    meta(ctx), status: status[fault.KindOf(err)],
	}
	if f, ok := fault.As(err); ok {
		out.Problem.Details = append(out.Problem.Details, f.Details...)
	}
	var l *lostRace
	if errors.As(err, &l) {
		out.status, out.Problem.Current = http.StatusPreconditionFailed, l.current
	}
	switch out.Problem.Code {
	case codeUnconditional:
		out.status = http.StatusPreconditionRequired
	case codeReused:
		out.status = http.StatusUnprocessableEntity
	}
	return out
}

// codeUnconditional is the code of the fault that a request has to say which version
// it changes.
const codeUnconditional = "request.unconditional"

// lostRace is a change to a row that is no longer as the client saw it.
type lostRace struct {
	error

	current any
}

// Unwrap returns the fault.
func (l *lostRace) Unwrap() error { return l.error }

// lost answers with the row as it is now.
func lost(err error, current any) error { return &lostRace{err, current} }

// refusal is the answer to a request that never reached a handler: huma says what
// is wrong with it. What was sent is not repeated, it may hold a password.
func refusal(c huma.Context, code int, message string, errs ...error) huma.StatusError {
	ctx := context.Background()
	if c != nil {
		ctx = c.Context()
	}
	var ready *Failure
	for _, err := range errs {
		if errors.As(err, &ready) {
			return ready
		}
	}
	if _, own := codes[code]; code == http.StatusUnprocessableEntity || strings.Contains(message, "request body") && !own {
		code = http.StatusBadRequest // huma's words for a body against the schema, and for one that cannot be read
	}
	out := &Failure{Problem: Problem{Code: codes[code], Message: message, Details: []fault.Detail{}}, Meta: meta(ctx), status: code}
	if out.Problem.Code == "" {
		out.Problem.Code = "request.invalid"
	}
	switch {
	case code >= http.StatusInternalServerError:
		out.Problem.Message = fault.Public(errPanic)
	case code == http.StatusBadRequest:
		out.Problem.Message = "The request is not as it must be. Look at the details and at /api/v1/openapi.json."
	case sentences[code] != "":
		out.Problem.Message = sentences[code]
	}
	for i, err := range errs {
		if i == maxDetails {
			out.Problem.Details = append(out.Problem.Details, fault.Detail{Message: fmt.Sprintf("and %d more", len(errs)-i)})
			break
		}
		d := fault.Detail{Message: "cannot be read"}
		var detail huma.ErrorDetailer
		if errors.As(err, &detail) {
			at := detail.ErrorDetail()
			d = fault.Detail{Field: field(at.Location), Message: at.Message}
			if name, ok := missing(at.Message); ok {
				d = fault.Detail{Field: strings.TrimPrefix(d.Field+"."+name, "body."), Message: name + " is missing"}
			}
		}
		out.Problem.Details = append(out.Problem.Details, d)
	}
	return out
}

// codes are the machine codes of what the router and the decoder refuse.
var codes = map[int]string{
	http.StatusNotFound:              "route.not_found",
	http.StatusMethodNotAllowed:      "route.method",
	http.StatusNotAcceptable:         "route.not_acceptable",
	http.StatusRequestEntityTooLarge: "request.too_large",
	http.StatusUnsupportedMediaType:  "request.media_type",
	http.StatusInternalServerError:   "internal",
	http.StatusRequestTimeout:        "request.timeout",
}

// sentences are what people are told of them.
var sentences = map[int]string{
	http.StatusRequestEntityTooLarge: "The body of the request is larger than this address takes. Send less.",
	http.StatusUnsupportedMediaType:  "The body of the request must be JSON. Send it with the header Content-Type: application/json.",
	http.StatusRequestTimeout:        "The body of the request came too slowly. Send it again.",
}

// tooLarge is the answer to a body that is too large, outside huma.
func tooLarge() error {
	return fault.TooLarge(codes[http.StatusRequestEntityTooLarge], "%s", sentences[http.StatusRequestEntityTooLarge])
}

// missing finds the name in what huma says of a property that is not there.
func missing(message string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(message, "expected required property ")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, " to be present")
}

// field is the place of a mistake as the client wrote it: "idea", not "body.idea".
func field(location string) string {
	for _, prefix := range []string{"body.", "query.", "path.", "header."} {
		if rest, ok := strings.CutPrefix(location, prefix); ok {
			return rest
		}
	}
	return location
}

func meta(ctx context.Context) Meta {
	return Meta{Timestamp: db.Now().Time, RequestID: requestID(ctx)}
}

// writeFailure answers outside huma: in middleware and for unknown routes.
func writeFailure(w http.ResponseWriter, r *http.Request, f *Failure) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	for k, v := range f.GetHeaders() {
		w.Header()[k] = v
	}
	w.WriteHeader(f.status)
	if r.Method == http.MethodHead {
		return
	}
	// The client may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(f)
}
