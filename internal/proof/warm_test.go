package proof

import "testing"

func TestWarmTwice(t *testing.T) {
	r := platform(t)
	for range 2 {
		if err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
