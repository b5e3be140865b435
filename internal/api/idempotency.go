package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
)

// codeReused is the code of the fault that a key was used for another request.
const codeReused = "idempotency.reused"

var idempotencyKeys = regexp.MustCompile(`^[!-~]{1,128}$`)

// idempotent answers a POST that carries an Idempotency-Key once more as it was
// answered first, without doing it again. A request that was refused may be made
// again. What a process left undone when it was killed is not done again:
// nobody knows how far it came, and the client is told so.
func (s *Server) idempotent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		key := r.Header.Get("Idempotency-Key")
		a, err := actor(ctx)
		if key == "" || r.Method != http.MethodPost || err != nil || a.User.ID == "" || strings.HasPrefix(r.URL.Path, Base+"/auth/") { // tokens are not kept
			next.ServeHTTP(w, r)
			return
		}
		request, err := s.digest(w, r, key)
		if err != nil {
			writeFailure(w, r, failure(ctx, err))
			return
		}
		var first *account.Attempt
		err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			first, err = account.Claim(ctx, tx, a.User.ID, key, account.Attempt{Request: request, Process: s.process})
			return err
		})
		switch {
		case err != nil:
			s.report(ctx, err)
			writeFailure(w, r, failure(ctx, err))
		case first == nil:
			s.once(w, r, next, a.User.ID, key)
		case first.Status > 0 && first.Request == request:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Idempotency-Replayed", "true")
			tag, answer, _ := strings.Cut(first.Answer, "\n")
			if tag != "" {
				w.Header().Set("ETag", tag)
			}
			w.WriteHeader(int(first.Status))
			_, _ = io.WriteString(w, answer) // the client may be gone
		default:
			writeFailure(w, r, failure(ctx, s.refuseAgain(first, request)))
		}
	})
}

func (s *Server) refuseAgain(first *account.Attempt, request string) error {
	switch {
	case first.Request != request:
		return fault.Conflict(codeReused, "This Idempotency-Key was used for another request. Choose a new one for each thing you want done.")
	case first.Process == s.process:
		return fault.Conflict("idempotency.in_progress", "The first request with this Idempotency-Key is still at work. Ask again in a moment.")
	}
	return fault.Conflict("idempotency.unknown", "The server stopped while it was at work on the first request with this Idempotency-Key. Look whether it took effect; if not, ask again with a new key.")
}

// digest reads the body, puts it back and returns what is asked for.
func (s *Server) digest(w http.ResponseWriter, r *http.Request, key string) (string, error) {
	if !idempotencyKeys.MatchString(key) {
		return "", fault.Invalid("idempotency.key", "The Idempotency-Key must have 1 to 128 printable ASCII characters without spaces.").WithDetails(fault.Detail{Field: "Idempotency-Key", Message: "is no key"})
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)) // what has none needs none
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return "", tooLarge()
	}
	if err != nil {
		return "", fault.Invalid("request.cut_off", "The body of the request did not come to its end. Send it again.").Because(err)
	}
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.RequestURI(), r.Header.Get("If-Match"), string(body)} {
		_, _ = io.WriteString(h, part+"\x00") // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// once lets the request be done, and keeps the answer.
func (s *Server) once(w http.ResponseWriter, r *http.Request, next http.Handler, userID, key string) {
	kept := &recorder{ResponseWriter: w, status: http.StatusInternalServerError} // until it has answered
	defer s.settle(r.Context(), kept, userID, key)
	next.ServeHTTP(kept, r)
}

// settle keeps an answer, or gives the key back of a request that did nothing.
func (s *Server) settle(ctx context.Context, kept *recorder, userID, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	s.report(ctx, s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if kept.status/100 != 2 { // what was refused may be asked again
			return account.Abandon(ctx, tx, userID, key)
		}
		return account.Keep(ctx, tx, userID, key, kept.status, kept.Header().Get("ETag")+"\n"+kept.body.String())
	}))
}

// recorder keeps what is written.
type recorder struct {
	http.ResponseWriter

	status int
	body   bytes.Buffer
}

// WriteHeader notices the status.
func (r *recorder) WriteHeader(code int) {
	r.status = code
	r.ResponseWriter.WriteHeader(code)
}

// Write keeps a copy.
func (r *recorder) Write(p []byte) (int, error) {
	r.body.Write(p)
	return r.ResponseWriter.Write(p)
}

// Unwrap gives http.ResponseController what it looks for.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
