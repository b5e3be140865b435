package api

import (
	"encoding/json"
	"net/http"

	"github.com/layercake-app/layercake/internal/fault"
)

// Health says how the instance is, part by part.
type Health struct {
	Status string            `json:"status" enum:"ok,failing"`
	Parts  map[string]string `json:"parts"`
}

// live says that the process answers.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	write(w, r, http.StatusOK, Health{Status: "ok", Parts: map[string]string{}})
}

// ready says whether everything that the instance needs is there.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	out, code := Health{Status: "ok", Parts: map[string]string{}}, http.StatusOK
	for part, err := range s.Ready(r.Context()) {
		out.Parts[part] = "ok"
		if err != nil {
			s.report(r.Context(), err)
			out.Status, out.Parts[part], code = "failing", fault.Public(err), http.StatusServiceUnavailable
		}
	}
	write(w, r, code, out)
}

func write[T any](w http.ResponseWriter, r *http.Request, code int, data T) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// The client may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(Envelope[T]{Success: code < http.StatusBadRequest, Data: data, Meta: meta(r.Context())})
}
