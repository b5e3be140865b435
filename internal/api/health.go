package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// Health says how the instance is, part by part.
type Health struct {
	Status string            `json:"status" enum:"ok"`
	Parts  map[string]string `json:"parts"`
}

// alive says that the process answers.
func (s *Server) alive(w http.ResponseWriter, r *http.Request) {
	write(w, r, http.StatusOK, Health{Status: "ok", Parts: map[string]string{}})
}

// readyTime is how long a part may take to say how it is.
const readyTime = 2 * time.Second

// ready says whether everything that the instance needs is there. When it is not,
// the details are the parts that fail.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	out := Health{Status: "ok", Parts: map[string]string{}}
	failing := fault.Unavailable("health.failing", "This instance cannot work now. Its log says why.")
	for part, err := range s.Ready(ctx) {
		out.Parts[part] = "ok"
		if err != nil {
			s.report(ctx, err)
			failing = failing.WithDetails(fault.Detail{Field: part, Message: fault.Public(err)})
		}
	}
	if len(failing.Details) > 0 {
		writeFailure(w, r, failure(r.Context(), failing))
		return
	}
	write(w, r, http.StatusOK, out)
}

func write[T any](w http.ResponseWriter, r *http.Request, code int, data T) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// The client may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(Envelope[T]{Success: true, Data: data, Meta: meta(r.Context())})
}
