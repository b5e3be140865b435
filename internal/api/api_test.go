package api

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// A panic is an answer like any other, and tells nothing.
func TestAPanicIsAnsweredInTheEnvelope(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := &Server{Log: slog.New(slog.NewTextHandler(&log, nil))}
	h := identify(s.recover(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the secret of the house") })))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x", nil)
	r.Header.Set("X-Request-Id", "mine-1")
	h.ServeHTTP(w, r)
	var f Failure
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || w.Code != http.StatusInternalServerError || f.Problem.Code != "internal" || f.Meta.RequestID != "mine-1" {
		t.Errorf("%d %s, %v", w.Code, w.Body, err)
	}
	if strings.Contains(w.Body.String(), "secret") || !strings.Contains(log.String(), "the secret of the house") || !strings.Contains(log.String(), "mine-1") {
		t.Errorf("answer %s, log %s", w.Body, log.String())
	}
}

// Every kind of fault has its status, and what is internal stays inside.
func TestFaultsHaveTheirStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{fault.Invalid("a.b", "x"), 400, "a.b"},
		{fault.Unauthenticated("a.b", "x"), 401, "a.b"},
		{fault.Forbidden("a.b", "x"), 403, "a.b"},
		{fault.NotFound("a.b", "x"), 404, "a.b"},
		{fault.Conflict("a.b", "x").WithDetails(fault.Detail{Code: "proof.failed"}), 409, "a.b"},
		{fault.TooLarge("a.b", "x"), 413, "a.b"},
		{fault.RateLimited("a.b", "x"), 429, "a.b"},
		{fault.Unavailable("a.b", "x").Because(errors.New("password=1")), 503, "a.b"},
		{fault.Full("a.b", "x"), 507, "a.b"},
		{errors.New("password=1"), 500, "internal"},
	} {
		f := failure(t.Context(), c.err)
		text, err := json.Marshal(f)
		if err != nil || f.GetStatus() != c.status || f.Problem.Code != c.code || strings.Contains(string(text), "password=1") || !strings.Contains(string(text), `"details":[`) {
			t.Errorf("%v: %d %s, %v", c.err, f.GetStatus(), text, err)
		}
	}
	if len(status) != 10 {
		t.Errorf("%d kinds have a status", len(status))
	}
}

// The time for sending a request ends with the request: what is done with it may
// take longer.
func TestAHandlerOutlivesTheTimeForSending(t *testing.T) {
	t.Parallel()
	const sending = 100 * time.Millisecond
	server := httptest.NewUnstartedServer(patient(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusTeapot)
		case <-time.After(4 * sending):
		}
	})))
	server.Config.ReadTimeout = sending
	server.Start()
	defer server.Close()
	for _, body := range []io.Reader{nil, strings.NewReader("{}")} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _ = answer.Body.Close(); answer.StatusCode != http.StatusOK {
			t.Errorf("with the body %v it was cancelled", body)
		}
	}
}

// A name that a client gives its request is taken when it may be one.
func TestRequestsAreNamed(t *testing.T) {
	t.Parallel()
	h := identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requestID(r.Context()) != w.Header().Get("X-Request-Id") {
			t.Error("the request and its answer have two names")
		}
	}))
	for name, kept := range map[string]bool{"abc-1": true, "": false, "a b": false, strings.Repeat("x", 65): false, "x\"y": false} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Request-Id", name)
		h.ServeHTTP(w, r)
		if got := w.Header().Get("X-Request-Id"); (got == name) != kept || got == "" {
			t.Errorf("%q became %q", name, got)
		}
	}
}
