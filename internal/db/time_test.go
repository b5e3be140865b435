package db_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/db"
)

func TestATimeSurvivesTheDatabaseAndJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(-62135596800000000+1, 253402300799999999).Draw(t, "micros")
		zone := time.FixedZone("z", rapid.IntRange(-12, 14).Draw(t, "hours")*3600)
		nanos := time.Duration(rapid.IntRange(0, 999).Draw(t, "nanos"))
		if micros == 0 {
			return // 1970-01-01 to the microsecond is what the zero Time is stored as
		}
		at := db.TimeOf(time.UnixMicro(micros).Add(nanos).In(zone))
		value, err := at.Value()
		if err != nil || value != micros {
			t.Fatalf("stored as %v, %v; want %d", value, err, micros)
		}
		var scanned, decoded db.Time
		if err := scanned.Scan(value); err != nil || scanned != at {
			t.Fatalf("scanned %v, %v; want %v", scanned, err, at)
		}
		text, err := json.Marshal(at)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &decoded); err != nil || decoded != at {
			t.Fatalf("decoded %v from %s, %v; want %v", decoded, text, err, at)
		}
	})
}

func TestTheZeroTime(t *testing.T) {
	t.Parallel()
	if value, err := (db.Time{}).Value(); err != nil || value != int64(0) {
		t.Errorf("zero is stored as %v, %v; want 0", value, err)
	}
	for _, src := range []any{nil, int64(0)} {
		at := db.Now()
		if err := at.Scan(src); err != nil || at != (db.Time{}) || !at.IsZero() {
			t.Errorf("%v scans as %v, %v; want zero", src, at, err)
		}
	}
	if got := db.TimeOf(time.Time{}.In(time.FixedZone("z", 3600))); got != (db.Time{}) {
		t.Errorf("zero in a zone is %v", got)
	}
	var at db.Time
	if err := at.Scan("2026-01-01"); err == nil {
		t.Error("a text scans as a time")
	}
	if err := json.Unmarshal([]byte(`"soon"`), &at); err == nil {
		t.Error("soon is a time")
	}
}

func TestNowIsUTCMicroseconds(t *testing.T) {
	t.Parallel()
	now := db.Now()
	if now.Location() != time.UTC || now.Nanosecond()%1000 != 0 || time.Since(now.Time) > time.Minute {
		t.Errorf("now is %v", now)
	}
	text, err := json.Marshal(db.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("z", 7200))))
	if err != nil || string(text) != `"2026-01-02T01:04:05Z"` {
		t.Errorf("json %s, %v", text, err)
	}
	if got := now.Add(time.Hour).Sub(now.Time); got != time.Hour {
		t.Errorf("an hour later is %v later", got)
	}
}

func TestIDsAreUniqueAndSortByAge(t *testing.T) {
	t.Parallel()
	ids := make([]string, 10000)
	for i := range ids {
		ids[i] = db.NewID("run")
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error("ids are not strictly ascending")
	}
	digits, ok := strings.CutPrefix(ids[0], "run_")
	id, err := uuid.Parse(digits)
	if !ok || err != nil || id.Version() != 7 {
		t.Errorf("%s is not run_ and a UUIDv7: %v", ids[0], err)
	}
}
