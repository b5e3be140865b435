package sandbox

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMeter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		allowance := rapid.Int64Range(0, 200).Draw(t, "allowance")
		writes := rapid.SliceOf(rapid.StringN(0, 60, -1)).Draw(t, "writes")
		m := newMeter(allowance)
		var got bytes.Buffer
		for _, w := range writes {
			m.pass(&got, []byte(w))
		}
		all := strings.Join(writes, "")
		cut, err := m.outcome()
		if err != nil || cut != (int64(len(all)) > allowance) {
			t.Fatalf("cut %v, %v for %d of %d bytes", cut, err, len(all), allowance)
		}
		if want := all[:min(int64(len(all)), allowance)]; got.String() != want {
			t.Fatalf("got %q, want %q", got.String(), want)
		}
		select {
		case <-m.stop:
			if !cut {
				t.Fatal("stopped without a cut")
			}
		default:
			if cut {
				t.Fatal("cut without a stop")
			}
		}
	})
}

func TestRing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 50).Draw(t, "size")
		r := newRing(size)
		var all string
		for _, w := range rapid.SliceOf(rapid.StringN(0, 120, -1)).Draw(t, "writes") {
			if n, err := r.Write([]byte(w)); n != len(w) || err != nil {
				t.Fatalf("wrote %d, %v", n, err)
			}
			all += w
			if want := all[max(0, len(all)-size):]; r.String() != want {
				t.Fatalf("got %q, want %q", r.String(), want)
			}
		}
	})
}
