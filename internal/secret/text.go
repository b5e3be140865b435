// Package secret keeps what must not be shown from being shown: a Text prints,
// formats, marshals and logs as a mask however it is handed on.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Mask is what stands in the place of a secret that is set.
const Mask = "********"

// Text is a secret string. Only Reveal gives it away; every other way out shows
// Mask, or nothing when the Text is empty. It does not belong into the keys of a
// map, which encoders write as they are.
type Text string

// Reveal returns the secret itself.
func (t Text) Reveal() string { return string(t) }

// String returns the mask.
func (t Text) String() string {
	if t == "" {
		return ""
	}
	return Mask
}

// Format writes the mask for every verb, also %q, %x and %#v.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// GoString returns the mask.
func (t Text) GoString() string { return t.String() }

// MarshalText returns the mask; JSON, YAML and XML encoders use it.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText takes the secret, so that settings can be read into a Text.
func (t *Text) UnmarshalText(text []byte) error {
	*t = Text(text)
	return nil
}

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }
