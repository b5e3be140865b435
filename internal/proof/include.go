package proof

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
)

var (
	includeLine = regexp.MustCompile(`^\s*#\s*include\s+"[A-Za-z0-9_.-]+\.h"\s*(//.*|/\*[^*]*\*/\s*)?$`)
	directive   = regexp.MustCompile(`^\s*#\s*(define|undef|ifdef|ifndef|else|endif|line)\b`)
)

// included refuses assembly that includes anything but a header of its own
// folder or of the compiler. The go command watches no other file: a binary
// would stay what it was when the included file changes, and what is tested
// would not be what is in the commit. Its text is for people.
func (t *tree) included() string {
	for _, name := range t.files {
		if !slices.Contains([]string{".s", ".S", ".h"}, path.Ext(name)) {
			continue
		}
		text, err := t.read(name)
		if err != nil {
			return err.Error()
		}
		if !bytes.Contains(text, []byte("include")) {
			continue
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			at := bytes.IndexByte(line, '#')
			if bytes.HasPrefix(bytes.TrimSpace(line), []byte("//")) && !bytes.Contains(line, []byte("*/")) {
				continue
			}
			if at < 0 || len(bytes.TrimSpace(line[:at])) > 0 && !bytes.Contains(line[at:], []byte("include")) {
				continue
			}
			if !includeLine.Match(line) && !directive.Match(line) {
				return fmt.Sprintf("%s:%d includes another file than a header: write #include \"name.h\" alone on the line, with name.h in the same folder", name, i+1)
			}
		}
	}
	return ""
}
