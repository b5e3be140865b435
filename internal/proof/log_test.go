package proof

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestLogIsCleaned(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, out string }{
		"plain":     {"a\n\tb\n", "a\n\tb\n"},
		"colours":   {"\x1b[31;1mred\x1b[0m", "red"},
		"title":     {"\x1b]0;owned\x07x", "x"},
		"link":      {"\x1b]8;;http://x\x1b\\x", "x"},
		"cursor":    {"a\x1b[2K\x1b[1Gb\x1bMc", "abc"},
		"progress":  {"10%\r20%\r\n", "10%\n20%\n"},
		"backspace": {"pass\b\b\b\bfail\x00", "passfail"},
		"one byte":  {"\u009b31mred\u009b0m\u0085x\u0090y\u009cz", "redxyz"},
		"direction": {"a\u202eb\u2066c\u2069\u200fd\u061ce", "abcde"},
		"bytes":     {"a\xffb", "a\uFFFDb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := string(clean([]byte(c.in))); got != c.out {
				t.Errorf("got %q, want %q", got, c.out)
			}
		})
	}
}

// TestLogKeepsHeadAndTail writes any pieces and expects all of them while they
// fit, and otherwise the first and the last bytes with the number left out.
func TestLogKeepsHeadAndTail(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, MaxLog/3), 0, 9).Draw(t, "sizes")
		var r recorder
		var all bytes.Buffer
		for i, n := range sizes {
			piece := bytes.Repeat([]byte{byte('a' + i)}, n)
			_, _ = r.Write(piece)
			all.Write(piece)
		}
		got := r.bytes()
		if all.Len() <= MaxLog {
			if !bytes.Equal(got, all.Bytes()) {
				t.Fatalf("%d bytes became %d", all.Len(), len(got))
			}
			return
		}
		half := MaxLog / 2
		cut := fmt.Sprintf("\n… %d bytes left out …\n", all.Len()-MaxLog)
		want := string(all.Bytes()[:half]) + cut + string(all.Bytes()[all.Len()-half:])
		if string(got) != want {
			t.Fatalf("%d bytes became %d", all.Len(), len(got))
		}
	})
}

func TestShortenKeepsCharactersWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, n := rapid.String().Draw(t, "text"), rapid.IntRange(0, 20).Draw(t, "n")
		got := shorten(text, n)
		if utf8.ValidString(text) && !utf8.ValidString(got) || len(got) > n+len("…") && len(text) > n {
			t.Fatalf("shorten(%q, %d) = %q", text, n, got)
		}
	})
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	const key = "AKIAQYLPMN5HHHFPZAM2"
	got := maskSecrets("start\nAWS_KEY=" + key + " # gitleaks:allow\nend " + key)
	if strings.Contains(got, key) || !strings.HasPrefix(got, "start\n") || !strings.Contains(got, "end ***") {
		t.Errorf("got %q", got)
	}
}
