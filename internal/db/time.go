package db

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Time is a moment as the database keeps it: BIGINT microseconds since 1970,
// UTC. The zero Time is stored as 0. In JSON it is RFC 3339, or null.
type Time struct{ time.Time }

// Now returns the present moment, UTC, cut to microseconds.
func Now() Time { return TimeOf(time.Now()) }

// TimeOf returns t as the database would give it back.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return Time{t.UTC().Truncate(time.Microsecond)}
}

// Add returns the moment d later.
func (t Time) Add(d time.Duration) Time { return TimeOf(t.Time.Add(d)) }

// Value implements driver.Valuer.
func (t Time) Value() (driver.Value, error) {
	if t.IsZero() {
		return int64(0), nil
	}
	return t.UnixMicro(), nil
}

// Scan implements sql.Scanner; NULL and 0 read as the zero Time.
func (t *Time) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*t = Time{}
	case int64:
		if v == 0 {
			*t = Time{}
			return nil
		}
		*t = Time{time.UnixMicro(v).UTC()}
	default:
		return fmt.Errorf("scan time: want BIGINT microseconds, got %T", src)
	}
	return nil
}

// MarshalJSON writes RFC 3339, and null for the zero Time: what has not come yet.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	text, err := t.Time.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write time: %w", err)
	}
	return text, nil
}

// UnmarshalJSON reads an RFC 3339 time of any zone.
func (t *Time) UnmarshalJSON(data []byte) error {
	var v time.Time
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("read time: %w", err)
	}
	*t = TimeOf(v)
	return nil
}

// NewID returns a new identifier "prefix_" and the 32 hexadecimal digits of a
// UUIDv7 (RFC 9562): identifiers made later in one process sort later.
func NewID(prefix string) string {
	// NewV7 fails only where the system has no randomness, and then nothing is safe.
	id := uuid.Must(uuid.NewV7())
	return fmt.Sprintf("%s_%x", prefix, id[:])
}
