package secret_test

import (
	"bytes"
	"testing"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/secret"
)

// What is sealed opens with its passphrase and with no other, and no changed byte
// of it is believed.
func TestSeal(t *testing.T) {
	t.Parallel()
	const passphrase = secret.Text("correct horse battery")
	plain := []byte("the key that signs")
	sealed, err := secret.Seal(passphrase, plain)
	if err != nil {
		t.Fatal(err)
	}
	again, err := secret.Seal(passphrase, plain)
	if err != nil || bytes.Equal(sealed, again) || bytes.Contains(sealed, plain) {
		t.Errorf("sealed twice: the same, or readable (%v)", err)
	}
	if got, err := secret.Open(passphrase, sealed); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("opened as %q, %v", got, err)
	}
	if _, err := secret.Open(passphrase+" ", sealed); fault.CodeOf(err) != "secret.passphrase" {
		t.Errorf("a wrong passphrase: %v", err)
	}
	const name = 8 // bytes of the format's name; the parameters follow
	for _, c := range []struct {
		what string
		at   int
		code string
	}{
		{"the name", 0, "secret.sealed"},
		{"the passes", name, "secret.sealed"},
		{"the memory", name + 4, "secret.sealed"},
		{"the salt", name + 9, "secret.passphrase"},
		{"the nonce", name + 9 + 16, "secret.passphrase"},
		{"the text", name + 9 + 16 + 12, "secret.passphrase"},
		{"the tag", len(sealed) - 1, "secret.passphrase"},
	} {
		changed := bytes.Clone(sealed)
		changed[c.at] ^= 0x40
		if _, err := secret.Open(passphrase, changed); fault.CodeOf(err) != c.code {
			t.Errorf("%s was changed: %v, want %s", c.what, err, c.code)
		}
	}
	if _, err := secret.Open(passphrase, sealed[:20]); fault.CodeOf(err) != "secret.sealed" {
		t.Errorf("cut short: %v", err)
	}
}
