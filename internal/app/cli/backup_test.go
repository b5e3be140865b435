package cli

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// A person at the terminal is asked for the passphrase, twice for a new one, and a
// short or mistyped one is refused before anything is written.
func TestPassphraseIsAsked(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("LAYERCAKE_DATA", filepath.Join(dir, "data"))
	t.Setenv("LAYERCAKE_BACKUP_PASSPHRASE", "")
	t.Setenv("DATABASE_URL", "")
	command := func(typed string, args ...string) (int, string) {
		var out bytes.Buffer
		code := Main(t.Context(), args, Terminal{In: strings.NewReader(typed), Out: &out, Err: &out, Interactive: true})
		return code, out.String()
	}
	if code, said := command("", "migrate", "up"); code != ExitDone {
		t.Fatal(said)
	}
	file := filepath.Join(dir, "b")
	for _, c := range []struct {
		typed string
		code  int
		says  string
	}{
		{"short\n", ExitUsage, "fewer than 12 characters"},
		{"correct horse battery\ncorrect house battery\n", ExitUsage, "The two passphrases differ"},
		{"correct horse battery\ncorrect horse battery\n", ExitDone, "Backed up to " + file},
	} {
		if code, said := command(c.typed, "backup", file); code != c.code || !strings.Contains(said, c.says) || strings.Contains(said, "battery") {
			t.Errorf("%q: exit %d: %s", c.typed, code, said)
		}
	}
	if code, said := command("\n", "backup", file+"2"); code != ExitDone || !strings.Contains(said, "The keys are left out") {
		t.Errorf("Enter: exit %d: %s", code, said)
	}
	if code, said := command("", "restore", file, "--data", filepath.Join(dir, "there")); code != ExitDone || !strings.Contains(said, "Passphrase of the keys") || !strings.Contains(said, "Restored to") {
		t.Errorf("restore: exit %d: %s", code, said)
	}
}
