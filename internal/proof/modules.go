package proof

import (
	"fmt"
	"regexp"
	"strings"
)

// module is one dependency of a product.
type module struct {
	Name     string
	Version  string
	Indirect bool
	Hash     string // as the lock file has it
}

var modulePath = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~/-]*$`)

// parseGoMod reads the directives of a go.mod that the checks need. The go
// command reads the file itself; this never has to be more lenient.
func parseGoMod(data []byte) (*goModule, error) {
	m := &goModule{}
	block := ""
	for i, line := range strings.Split(string(data), "\n") {
		code, comment, _ := strings.Cut(line, "//")
		fields := strings.Fields(code)
		switch {
		case len(fields) == 0:
			continue
		case block != "" && fields[0] == ")":
			block = ""
			continue
		case block == "" && len(fields) == 2 && fields[1] == "(":
			block = fields[0]
			continue
		case block != "":
			fields = append([]string{block}, fields...)
		}
		if err := m.directive(fields, strings.TrimSpace(comment) == "indirect"); err != nil {
			return nil, fmt.Errorf("go.mod line %d: %w", i+1, err)
		}
	}
	if m.path == "" {
		return nil, fmt.Errorf("go.mod does not name its module; begin it with a line such as: module example.com/app")
	}
	return m, nil
}

func (m *goModule) directive(fields []string, indirect bool) error {
	for i := range fields {
		fields[i] = strings.Trim(fields[i], "\"`")
	}
	switch fields[0] {
	case "module":
		if len(fields) != 2 || !modulePath.MatchString(fields[1]) {
			return fmt.Errorf("the module path is not one; write it like example.com/app")
		}
		m.path = fields[1]
	case "go":
		if len(fields) == 2 {
			m.version = fields[1]
		}
	case "require":
		if len(fields) != 3 {
			return fmt.Errorf("a requirement needs a module and a version")
		}
		m.requires = append(m.requires, module{Name: fields[1], Version: fields[2], Indirect: indirect})
	case "replace":
		m.replaces = append(m.replaces, strings.Join(fields[1:], " "))
	}
	return nil
}

// parseGoSum returns the hash of each module's files by "name version".
func parseGoSum(data []byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && !strings.HasSuffix(fields[1], "/go.mod") {
			out[fields[0]+" "+fields[1]] = fields[2]
		}
	}
	return out
}
