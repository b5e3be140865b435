// Package fault gives every error that can reach a person a kind, a stable
// machine code and a public message that names the next step. The private
// cause is kept for logs and never shown.
//
// Callers wrap with fmt.Errorf("verb object: %w", err); the fault inside stays
// visible to KindOf, CodeOf and Public. Whatever carries no fault is internal.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of mistake an error is; transports map it to a status or
// an exit code in one place.
type Kind string

// The nine kinds a client can act on, and Internal for all else.
const (
	KindInvalid         Kind = "invalid"
	KindUnauthenticated Kind = "unauthenticated"
	KindForbidden       Kind = "forbidden"
	KindNotFound        Kind = "not_found"
	KindConflict        Kind = "conflict"
	KindTooLarge        Kind = "too_large"
	KindRateLimited     Kind = "rate_limited"
	KindUnavailable     Kind = "unavailable"
	KindFull            Kind = "full"
	KindInternal        Kind = "internal"
)

// Detail is one wrong field or one unmet condition of an error.
type Detail struct {
	Field   string `json:"field,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Next    string `json:"next,omitempty"`
}

// Error is a fault: what it is, what to tell the person, and why.
type Error struct {
	Kind    Kind
	Code    string
	Message string
	Details []Detail
	cause   error
}

// Error returns the public message followed by the cause, for logs.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Message + ": " + e.cause.Error()
	}
	return e.Message
}

// Unwrap returns the private cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Because returns a copy of e that carries cause, which clients never see.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// WithDetails returns a copy of e with details appended.
func (e *Error) WithDetails(details ...Detail) *Error {
	c := *e
	c.Details = append(append([]Detail(nil), e.Details...), details...)
	return &c
}

func newError(kind Kind, code, format string, args []any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid reports input that must be changed before it can be accepted.
func Invalid(code, format string, args ...any) *Error {
	return newError(KindInvalid, code, format, args)
}

// Unauthenticated reports a missing or expired proof of identity.
func Unauthenticated(code, format string, args ...any) *Error {
	return newError(KindUnauthenticated, code, format, args)
}

// Forbidden reports something this actor may see but not do.
func Forbidden(code, format string, args ...any) *Error {
	return newError(KindForbidden, code, format, args)
}

// NotFound reports something that does not exist, or that the actor may not see.
func NotFound(code, format string, args ...any) *Error {
	return newError(KindNotFound, code, format, args)
}

// Conflict reports a state that does not allow the request, or a lost race.
func Conflict(code, format string, args ...any) *Error {
	return newError(KindConflict, code, format, args)
}

// TooLarge reports input over a limit.
func TooLarge(code, format string, args ...any) *Error {
	return newError(KindTooLarge, code, format, args)
}

// RateLimited reports that the same request may succeed later.
func RateLimited(code, format string, args ...any) *Error {
	return newError(KindRateLimited, code, format, args)
}

// Unavailable reports a missing tool or service, and how to get it.
func Unavailable(code, format string, args ...any) *Error {
	return newError(KindUnavailable, code, format, args)
}

// Full reports that no more can be stored: nothing mends it but somebody who
// makes room, so it is not tried again by itself.
func Full(code, format string, args ...any) *Error {
	return newError(KindFull, code, format, args)
}

// As returns the outermost fault in err's chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// KindOf returns the kind of err; an error without a fault is KindInternal.
func KindOf(err error) Kind {
	if e, ok := As(err); ok {
		return e.Kind
	}
	return KindInternal
}

// Ours reports whether err is about LayerCake or the machine it runs on, and not
// about what was asked: whoever asked can do nothing about it.
func Ours(err error) bool {
	if err == nil {
		return false
	}
	switch KindOf(err) {
	case KindInternal, KindUnavailable, KindFull:
		return true
	}
	return false
}

// CodeOf returns the machine code of err, "internal" when it has none.
func CodeOf(err error) string {
	if e, ok := As(err); ok {
		return e.Code
	}
	return "internal"
}

// Public returns the text a person may see. The text of an internal error is
// never part of it.
func Public(err error) string {
	if e, ok := As(err); ok {
		return e.Message
	}
	return "Something went wrong inside LayerCake. The log has the details; the same command may be tried again."
}
