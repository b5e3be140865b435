package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
)

type contextKey int

const (
	keyRequest contextKey = iota
	keyActor
	keyDenied
)

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(keyRequest).(string)
	return id
}

// actor is who asks. A token that is not good is nobody's, and says why.
func actor(ctx context.Context) (account.Actor, error) {
	if err, ok := ctx.Value(keyDenied).(error); ok {
		return account.Actor{}, err
	}
	a, _ := ctx.Value(keyActor).(account.Actor)
	return a, nil
}

var requestIDs = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identify gives every request a name, the client's own where it may be one.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !requestIDs.MatchString(id) {
			id = db.NewID("req")
		}
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), keyRequest, id)))
	})
}

// recover turns a panic into an answer and a line in the log.
func (s *Server) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				s.panicked(w, r, p)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func (s *Server) panicked(w http.ResponseWriter, r *http.Request, p any) {
	if p == http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
		panic(p)
	}
	ctx := r.Context()
	if w.Header().Get("Content-Type") != "" { // the answer has begun: it must not look whole
		defer panic(http.ErrAbortHandler)
	}
	s.Log.ErrorContext(ctx, "request panicked", "request", requestID(ctx), "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	writeFailure(w, r, failure(ctx, errPanic))
}

// errPanic is internal: there is nothing to tell about it.
var errPanic = errors.New("panic")

// local refuses requests for another host while only this machine is meant.
func (s *Server) local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); s.Local && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			writeFailure(w, r, failure(r.Context(), fault.Forbidden("request.host", "This server answers for this machine alone. Use http://localhost and its port.")))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// patient lets a handler take its time: the deadline for sending the request ends
// with the request, or net/http would take it for the client's leaving.
func patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done := func() { _ = http.NewResponseController(w).SetReadDeadline(time.Time{}) } // what has none needs none
		if r.Body == nil || r.Body == http.NoBody {
			done()
		} else {
			r.Body = &body{ReadCloser: r.Body, done: done}
		}
		next.ServeHTTP(w, r)
	})
}

// body calls done when there is no more to read.
type body struct {
	io.ReadCloser
	done func()
}

// Read reads, and notices the end.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.done()
	}
	return n, err
}

// harden sets the headers that keep browsers from doing more than they were asked,
// on every answer. There is one format, so nobody chooses among several.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		r.Header.Del("Accept")
		next.ServeHTTP(w, r)
	})
}

// sameSite refuses what another site sends in a person's name.
func sameSite(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeFailure(w, r, failure(r.Context(), fault.Forbidden("request.cross_site", "This request comes from another site.")))
	}))
	return cross.Handler(next)
}

// authenticate finds out who asks. Whether that may be is for the routes to say:
// a bad token is refused where a session is needed, and only there.
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		header := r.Header.Get("Authorization")
		if header == "" || strings.HasPrefix(r.URL.Path, "/health") {
			next.ServeHTTP(w, r)
			return
		}
		a, err := s.resolve(ctx, header)
		switch {
		case err == nil:
			ctx = context.WithValue(ctx, keyActor, a)
		case fault.KindOf(err) == fault.KindUnauthenticated:
			ctx = context.WithValue(ctx, keyDenied, err)
		default:
			s.report(ctx, err)
			writeFailure(w, r, failure(ctx, err))
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (s *Server) resolve(ctx context.Context, header string) (a account.Actor, err error) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return a, fault.Unauthenticated("auth.scheme", "The Authorization header must be: Bearer and the access token.")
	}
	session, err := s.Tokens.Session(strings.TrimSpace(token))
	if err != nil {
		return a, err
	}
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		a, err = account.Resolve(ctx, tx, session)
		return err
	})
	return a, err
}

// report logs what is ours to mend.
func (s *Server) report(ctx context.Context, err error) {
	if fault.Ours(err) && !errors.Is(err, context.Canceled) {
		s.Log.ErrorContext(ctx, "request failed", "request", requestID(ctx), "error", err)
	}
}

// answer makes the answer to an error, and logs what is ours to mend.
func (s *Server) answer(ctx context.Context, err error) error {
	s.report(ctx, err)
	return failure(ctx, err)
}
