package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// Codes of the faults that there is no answer.
const (
	codeRefused = "server.unreachable"
	codeCutOff  = "server.cut_off"
)

// Refusal is a server's word that it will not do what was asked. It is a fault
// (fault.As finds it), with the status, the server's name of the request, and,
// for a lost race, the row as it is now.
type Refusal struct {
	fault   *fault.Error
	Status  int
	Request string
	Current json.RawMessage
	after   time.Duration
}

// Error returns the message and the request, for logs.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%v (%d, request %s)", r.fault, r.Status, r.Request)
}

// Unwrap returns the fault.
func (r *Refusal) Unwrap() error { return r.fault }

// With returns a copy of r with further details.
func (r *Refusal) With(details ...fault.Detail) *Refusal {
	c := *r
	c.fault = r.fault.WithDetails(details...)
	return &c
}

// kinds maps a status back to the kind of fault that it was made of.
var kinds = map[int]fault.Kind{
	http.StatusBadRequest:            fault.KindInvalid,
	http.StatusUnauthorized:          fault.KindUnauthenticated,
	http.StatusForbidden:             fault.KindForbidden,
	http.StatusNotFound:              fault.KindNotFound,
	http.StatusRequestEntityTooLarge: fault.KindTooLarge,
	http.StatusTooManyRequests:       fault.KindRateLimited,
	http.StatusInsufficientStorage:   fault.KindFull,
}

// refusal makes a fault of an error that the server named.
func (c *Client) refusal(answer *http.Response, e envelope) error {
	status := answer.StatusCode
	kind, ok := kinds[status]
	switch {
	case ok:
	case status >= http.StatusInternalServerError:
		kind = fault.KindUnavailable // ours is not what is broken
	default:
		kind = fault.KindConflict
	}
	f := &fault.Error{Kind: kind, Code: e.Error.Code, Message: e.Error.Message, Details: e.Error.Details}
	switch {
	case status == http.StatusUnauthorized && c.Again != "":
		f = fault.Unauthenticated(e.Error.Code, "%s", c.Again)
	case status == http.StatusInternalServerError:
		f = fault.Unavailable("server.failed", "Something went wrong inside the server at %s. Its log has the details under the name of the request; the same command may be tried again.", c.Address)
	case status == http.StatusTooManyRequests:
		if after := retryAfter(answer); after > 0 {
			f.Message = strings.TrimSpace(f.Message + fmt.Sprintf(" Try again in %s.", after))
		}
	}
	if f.Message == "" {
		f.Message = fmt.Sprintf("%s answers %s and does not say why. Look at its log.", c.Address, answer.Status)
	}
	return &Refusal{f, status, e.Meta.RequestID, e.Error.Current, retryAfter(answer)}
}

// unreached says why there is no whole answer. ctx is the caller's: when it has
// ended, that is why.
func (c *Client) unreached(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask %s: %w", c.Address, context.Cause(ctx))
	}
	var (
		name   *net.DNSError
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
		op     *net.OpError
	)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault.Unavailable(codeRefused, "Nothing answers at %s. Is the server running? Start it with `layercake serve`, or log in to another one with `layercake login URL`.", c.Address).Because(err)
	case errors.As(err, &name):
		return fault.Unavailable(codeRefused, "The name %s is not known here. Look whether the address %s is right, and whether this machine is connected.", name.Name, c.Address).Because(err)
	case errors.As(err, &cert):
		return fault.Unavailable("server.certificate", "The certificate of %s is not trusted here, so nothing was sent. Look whether the address is right; if your organization signs its own certificates, name their file in SSL_CERT_FILE.", c.Address).Because(err)
	case errors.As(err, &record) || strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return fault.Unavailable("server.tls", "%s does not take encrypted connections. Use http:// in its address if that is what you mean.", c.Address).Because(err)
	case errors.As(err, &op) && op.Op == "dial":
		return fault.Unavailable(codeRefused, "%s cannot be reached from this machine. Look whether the address is right, and whether a network is missing.", c.Address).Because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Unavailable(codeCutOff, "%s does not answer in time. Try again in a moment.", c.Address).Because(err)
	}
	return fault.Unavailable(codeCutOff, "The connection to %s broke off before the answer was whole. Try the same command again.", c.Address).Because(err)
}

// Passing reports whether the same request may be answered a while later: the
// server cannot be reached, is starting anew, or asks for patience. after is how
// long it asks to wait, 0 when it does not say.
func Passing(err error) (after time.Duration, ok bool) {
	var r *Refusal
	if errors.As(err, &r) {
		switch r.Status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return r.after, true
		}
		return 0, false
	}
	code := fault.CodeOf(err)
	return 0, code == codeRefused || code == codeCutOff
}
