package proof

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// module is one dependency of a product.
type module struct {
	Name     string
	Version  string
	Indirect bool
	Hash     string // as the lock file has it
}

var modulePath = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~/-]*$`)

// parseGoMod reads a go.mod as the go command does. Its error is for people.
func parseGoMod(data []byte) (*goModule, error) {
	f, err := modfile.Parse("go.mod", data, nil)
	var wrong modfile.ErrorList
	if errors.As(err, &wrong) && len(wrong) > 0 {
		return nil, fmt.Errorf("go.mod line %d: %s; correct it, or let go mod tidy write it", wrong[0].Pos.Line, shorten(wrong[0].Err.Error(), 200))
	}
	if err != nil {
		return nil, fmt.Errorf("go.mod cannot be read (%s); let go mod tidy write it", shorten(err.Error(), 200))
	}
	if f.Module == nil {
		return nil, errors.New("go.mod does not name its module; begin it with a line such as: module example.com/app")
	}
	m := &goModule{path: f.Module.Mod.Path}
	if !modulePath.MatchString(m.path) {
		return nil, fmt.Errorf("go.mod line %d: the module path is not one; write it like example.com/app", f.Module.Syntax.Start.Line)
	}
	if f.Go != nil {
		m.version = f.Go.Version
	}
	for _, r := range f.Require {
		m.requires = append(m.requires, module{Name: r.Mod.Path, Version: r.Mod.Version, Indirect: r.Indirect})
	}
	for _, i := range f.Ignore {
		m.ignores = append(m.ignores, strings.TrimSuffix(i.Path, "/"))
	}
	for _, r := range f.Replace {
		m.replaces = append(m.replaces, strings.TrimSpace(r.Old.String()+" => "+r.New.String()))
	}
	return m, nil
}

// parseModulesTxt returns the modules that vendor/modules.txt names: what is
// vendored, and what replaces it.
func parseModulesTxt(data []byte) []module {
	var out []module
	add := func(name, version string) {
		if m := (module{Name: name, Version: version}); !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	for line := range strings.Lines(string(data)) {
		named, ok := strings.CutPrefix(strings.TrimSpace(line), "# ")
		if !ok {
			continue
		}
		old, replaced, _ := strings.Cut(named, "=>")
		for _, side := range []string{old, replaced} {
			switch f := strings.Fields(side); {
			case len(f) >= 2:
				add(f[0], f[1])
			case len(f) == 1 && !strings.HasPrefix(f[0], "."):
				add(f[0], "")
			}
		}
	}
	return out
}

// vendoredModules returns what lies in the vendor folder beside a go.mod: the
// modules that modules.txt names, and every package that belongs to none of
// them, since an older go command compiles those too.
func (t *tree) vendoredModules(goMod string) ([]module, error) {
	vendor := path.Join(path.Dir(goMod), "vendor")
	var out []module
	if list := vendor + "/modules.txt"; t.has(list) {
		data, err := t.read(list)
		if err != nil {
			return nil, err
		}
		out = parseModulesTxt(data)
	}
	known := func(pkg string) bool {
		return slices.ContainsFunc(out, func(m module) bool { return pkg == m.Name || strings.HasPrefix(pkg, m.Name+"/") })
	}
	for _, name := range t.files {
		pkg, below := strings.CutPrefix(path.Dir(name), vendor+"/")
		if below && path.Ext(name) == ".go" && !known(pkg) {
			out = append(out, module{Name: pkg})
		}
	}
	return out, nil
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
