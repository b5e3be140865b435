package app

import "testing"

// A version that is too old, or that nobody can read, is not taken for a new one.
func TestOldVersionsAreSeen(t *testing.T) {
	t.Parallel()
	for said, old := range map[string]bool{
		"go1.26.8 linux/amd64": false, "go1.25.9 linux/amd64": true, "go2.0 linux/amd64": false, "go1.100": false, "devel": true, "": true,
	} {
		if older(said, goNeeded) != old {
			t.Errorf("%q: old is %t", said, !old)
		}
	}
}
