package proof

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A test binary writes its own report: the product shares a process with the
// testing package, and could put itself between a failing test and the report
// of it. Nothing inside a process can be kept from that in full. So what an
// ordinary product has no use for, and what stands between a test and its
// report, is refused where it is written: replacing or duplicating the standard
// output, starting the test binary again, reading its flags, reaching for the
// coverage profile, and a TestMain that does more than set up and pass on the
// result. See docs/decisions/007-what-a-test-can-say-of-itself.md.

// source is one Go file that is looked at for meddling.
type source struct {
	name    string
	set     *token.FileSet
	file    *ast.File
	test    bool
	imports map[string]string // name in this file → import path
	path    string            // import path of its package
	index   *goNames          // of the product
	pointed map[ast.Expr]bool // where os.File is what a pointer points to
	own     []string          // names that hold a way to start this binary again
	found   []string
}

// meddling names, for people, what in the product could get between its tests
// and their report.
func (w *work) meddling(p *goProduct) []string {
	var found []string
	var all []*source
	packages := make([][]*source, len(p.packages))
	for i, pkg := range p.packages {
		for _, name := range slices.Concat(pkg.files, pkg.testFiles) {
			s, err := w.source(name)
			if err != nil {
				found = append(found, err.Error())
				continue
			}
			packages[i] = append(packages[i], s)
		}
		all = append(all, packages[i]...)
	}
	index := indexGo(p.path, all)
	for _, sources := range packages {
		for _, s := range sources {
			s.hidden(p)
			s.look()
		}
		testMains(sources)
		for _, s := range sources {
			found = append(found, s.found...)
		}
	}
	if !index.spend(0) {
		found = append(found, "the source is too large to be followed; split the product, or take generated code out of it")
	}
	return found
}

// source parses a file. Its error is for people.
func (w *work) source(name string) (*source, error) {
	text, err := w.tree.read(name)
	if err != nil {
		return nil, err
	}
	s := &source{name: name, set: token.NewFileSet(), test: strings.HasSuffix(name, "_test.go"), imports: map[string]string{}}
	s.file, err = parser.ParseFile(s.set, name, text, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("%w; correct it", err)
	}
	for _, spec := range s.file.Imports {
		at := unquoted(spec.Path)
		as := path.Base(at)
		if spec.Name != nil {
			as = spec.Name.Name
		}
		s.imports[as] = at
		if as == "." && slices.Contains(watched, at) {
			s.say(spec, "imports %s without its name; import it by name", at)
		}
	}
	return s, nil
}

// unquoted is the text of a string, which the parser has seen to be one.
func unquoted(x *ast.BasicLit) string {
	text, _ := strconv.Unquote(x.Value)
	return text
}

// watched are the packages whose use is looked at.
var watched = []string{"os", "os/exec", "flag", "testing", "reflect", "syscall", "golang.org/x/sys/unix"}

func (s *source) say(at ast.Node, format string, args ...any) {
	text := fmt.Sprintf("%s:%d ", s.name, s.set.Position(at.Pos()).Line) + fmt.Sprintf(format, args...)
	if len(s.found) == 0 || s.found[len(s.found)-1] != text {
		s.found = append(s.found, text)
	}
}

// imported returns the import path that a name stands for.
func (s *source) imported(e ast.Expr) (string, bool) {
	id, ok := e.(*ast.Ident)
	if !ok || id.Obj != nil {
		return "", false
	}
	at, ok := s.imports[id.Name]
	return at, ok
}

// is reports whether an expression is one of the names of a package.
func (s *source) is(e ast.Expr, pkg string, names ...string) bool {
	switch x := e.(type) {
	case *ast.ParenExpr:
		return s.is(x.X, pkg, names...)
	case *ast.SelectorExpr:
		id, ok := x.X.(*ast.Ident)
		return ok && s.imports[id.Name] == pkg && slices.Contains(names, x.Sel.Name)
	}
	return false
}

// hidden refuses to import packages of the product out of folders that the go
// command leaves out of "./...": nothing would test, measure or lint them.
func (s *source) hidden(p *goProduct) {
	for _, spec := range s.file.Imports {
		at := unquoted(spec.Path)
		if dir, ok := strings.CutPrefix(at, p.path+"/"); ok && (ignoredDir(dir) || p.leavesOut(dir)) {
			s.say(spec, "imports %s, a folder that no check looks at; move the package to another folder", dir)
		}
	}
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:linkname ") {
				s.say(c, "reaches into another package with go:linkname; use what that package exports")
			}
		}
	}
}

var (
	testFlagName = regexp.MustCompile(`^-{0,2}test\.(bench|benchmem|benchtime|blockprofile|count|coverprofile|cpu|cpuprofile|failfast|fullpath|fuzz|fuzzcachedir|fuzzminimizetime|fuzztime|fuzzworker|gocoverdir|list|memprofile|memprofilerate|mutexprofile|outputdir|paniconexit0|parallel|run|short|shuffle|skip|testlogfile|timeout|trace|v)(=.*)?$`)
	ownProcess   = regexp.MustCompile(`(^|\W)(/proc/|/dev/(stdout|stderr|fd)\b)`)
	ownFiles     = regexp.MustCompile(`/proc/(self|thread-self|\d+|%[dsv])/(fd|exe|mem)\b`)
	coverFolder  = regexp.MustCompile(`^/cover(/|$)|/cover/profile`)
)

// look walks over the file.
func (s *source) look() {
	for _, at := range s.imports {
		if at == "runtime/coverage" || s.test && at == "unsafe" {
			s.say(s.file.Name, "imports %s, with which a test could write what the platform measures; leave it out", at)
		}
	}
	s.restarts()
	s.pointed = map[ast.Expr]bool{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			for i, left := range x.Lhs {
				s.target(left)
				if len(x.Lhs) == len(x.Rhs) {
					s.copied(left, x.Rhs[i])
				}
			}
		case *ast.RangeStmt:
			s.target(x.Key)
			s.target(x.Value)
		case *ast.StarExpr:
			s.through(x)
		case *ast.UnaryExpr:
			if x.Op == token.AND && s.is(x.X, "os", "Stdout", "Stderr") {
				s.say(x, "takes the address of os.%s; hand the function an io.Writer instead", name(x.X))
			}
		case *ast.BasicLit:
			s.literal(x)
		case *ast.SelectorExpr:
			s.selector(x)
		case *ast.CompositeLit:
			s.pointed[x.Type] = true
		case *ast.IndexExpr:
			if s.is(x.X, "sync/atomic", "Pointer") {
				s.pointed[x.Index] = true
			}
			if s.test && s.is(x.X, "os", "Args") && s.itself(x) {
				s.say(x, "uses os.Args[0], the path of the test binary; a test never starts itself again, build the program and start that")
			}
		case *ast.CallExpr:
			s.call(x)
		}
		return true
	})
}

func name(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.ParenExpr:
		return name(x.X)
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.Ident:
		return x.Name
	}
	return ""
}

// target refuses to assign to the standard output.
func (s *source) target(left ast.Expr) {
	switch x := left.(type) {
	case *ast.ParenExpr:
		s.target(x.X)
	case *ast.SelectorExpr:
		if s.is(x, "os", "Stdout", "Stderr") {
			s.say(left, "replaces os.%s; hand the function an io.Writer instead, or run the program with os/exec and read its output", name(x))
		}
	}
}

func (s *source) literal(x *ast.BasicLit) {
	if x.Kind != token.STRING {
		return
	}
	text, err := strconv.Unquote(x.Value)
	if err != nil {
		return
	}
	switch {
	case testFlagName.MatchString(text):
		s.say(x, "names the flag %q of the test binary; the platform chooses what is run, use testing.Short or testing.Verbose", shorten(text, 40))
	case coverFolder.MatchString(text):
		s.say(x, "names the folder of the coverage profile, which belongs to the platform; use another path")
	case s.test && ownProcess.MatchString(text), ownFiles.MatchString(text):
		s.say(x, "reaches for the files of its own process (%q); print with fmt, and start other programs with os/exec", shorten(text, 40))
	}
}

// raw are the system calls with which a process changes its own descriptors.
// Exit is the one that testing does not notice.
var raw = []string{"Exit", "Dup", "Dup2", "Dup3", "Syscall", "Syscall6", "Syscall9", "RawSyscall", "RawSyscall6", "RawSyscallNoError", "SyscallNoError", "FcntlInt"}

// inTests are those that a product may use, and no test of it.
var inTests = []string{"Exec", "Pipe", "Pipe2"}

func (s *source) selector(x *ast.SelectorExpr) {
	switch {
	case s.is(x, "syscall", raw...), s.is(x, "golang.org/x/sys/unix", raw...):
		s.say(x, "calls %s.%s, which can redirect the output of the tests or end them unseen; use os and os/exec", name(x.X), x.Sel.Name)
	case s.test && (s.is(x, "syscall", inTests...) || s.is(x, "golang.org/x/sys/unix", inTests...)):
		s.say(x, "calls %s.%s, which can redirect the output of the tests or end them unseen; use os/exec", name(x.X), x.Sel.Name)
	case s.test && s.is(x, "os", "Pipe"):
		s.say(x, "makes a pipe; hand the function an io.Writer or an io.Reader, or a file of t.TempDir()")
	case s.is(x, "os", "File"):
		s.byValue(x)
	case s.is(x, "testing", "MainStart", "Main", "RunTests", "RunExamples", "RunBenchmarks", "RegisterCover", "Init"):
		s.say(x, "calls testing.%s; only the platform starts the tests", x.Sel.Name)
	case s.test && s.is(x, "os", "Executable"):
		s.say(x, "asks for the path of the test binary; a test never starts itself again, build the program and start that")
	case s.test && s.is(x, "flag", "VisitAll", "Visit"):
		s.say(x, "reads the flags of the test binary; the platform chooses what is run")
	}
}

func (s *source) call(x *ast.CallExpr) {
	if sel, ok := x.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Close" && s.is(sel.X, "os", "Stdout", "Stderr") {
		s.say(x, "closes os.%s; leave it open", name(sel.X))
	}
	closes := s.is(x.Fun, "syscall", "Close") || s.is(x.Fun, "golang.org/x/sys/unix", "Close")
	if (closes || s.is(x.Fun, "os", "NewFile")) && len(x.Args) > 0 && s.standard(x.Args[0]) {
		s.say(x, "opens or closes the standard output by its number; hand the function an io.Writer instead")
	}
	s.handsFile(x)
	if s.test && s.is(x.Fun, "flag", "Lookup", "Set") && len(x.Args) > 0 {
		if _, plain := x.Args[0].(*ast.BasicLit); !plain {
			s.say(x, "chooses a flag by a computed name, which may be one of the test binary; write the name out")
		}
	}
	if s.starts(x) && slices.ContainsFunc(x.Args, s.itself) {
		s.say(x, "starts its own program again; the report of the tests would come from there: start another program")
	}
}

// standard reports whether a file number is, or is computed from, 1 or 2.
func (s *source) standard(e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.BasicLit:
			found = found || x.Value == "1" || x.Value == "2" || x.Value == "0"
		case *ast.SelectorExpr:
			found = found || x.Sel.Name == "Stdout" || x.Sel.Name == "Stderr"
		}
		return !found
	})
	return found
}

func (s *source) starts(x *ast.CallExpr) bool {
	return s.is(x.Fun, "os/exec", "Command", "CommandContext") || s.is(x.Fun, "os", "StartProcess") ||
		s.is(x.Fun, "syscall", "Exec", "ForkExec", "StartProcess") || s.is(x.Fun, "golang.org/x/sys/unix", "Exec")
}

// restarts collects the names that hold the path of the program itself.
func (s *source) restarts() {
	keep := func(left []ast.Expr, right []ast.Expr) {
		if slices.ContainsFunc(right, s.itself) {
			for _, l := range left {
				if n := name(l); n != "" && n != "_" && n != "err" {
					s.own = append(s.own, n)
				}
			}
		}
	}
	for range 2 { // a name may be given on
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.AssignStmt:
				keep(x.Lhs, x.Rhs)
			case *ast.FuncDecl:
				if x.Body != nil && s.returnsItself(x.Body) {
					s.own = append(s.own, x.Name.Name)
				}
			case *ast.ValueSpec:
				var left []ast.Expr
				for _, id := range x.Names {
					left = append(left, id)
				}
				keep(left, x.Values)
			}
			return true
		})
	}
}

func (s *source) returnsItself(body *ast.BlockStmt) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		if x, ok := n.(*ast.ReturnStmt); ok {
			found = found || slices.ContainsFunc(x.Results, s.itself)
		}
		return !found
	})
	return found
}

// itself reports whether an expression names the running program. Its other
// arguments, os.Args[1:], name something else, and so does what a function
// makes of it, unless it only changes the path.
func (s *source) itself(e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.SliceExpr:
			if s.is(x.X, "os", "Args") && x.Low != nil {
				return false
			}
		case *ast.IndexExpr:
			if s.is(x.X, "os", "Args") {
				lit, ok := x.Index.(*ast.BasicLit)
				found = found || !ok || lit.Value == "0"
				return false
			}
		case *ast.CallExpr:
			if !s.keepsPath(x.Fun) {
				return false
			}
		case *ast.SelectorExpr:
			found = found || s.is(x, "os", "Executable", "Args")
		case *ast.Ident:
			found = found || slices.Contains(s.own, x.Name)
		case *ast.BasicLit:
			found = found || strings.Contains(x.Value, "/proc/self") || strings.Contains(x.Value, "/proc/thread-self")
		}
		return !found
	})
	return found
}

func (s *source) keepsPath(fun ast.Expr) bool {
	switch x := fun.(type) {
	case *ast.Ident:
		return x.Name == "append" || x.Name == "string" || slices.Contains(s.own, x.Name)
	case *ast.SelectorExpr:
		id, ok := x.X.(*ast.Ident)
		return ok && (s.is(x, "os", "Executable") || slices.Contains([]string{"path", "path/filepath", "strings", "fmt"}, s.imports[id.Name]))
	}
	return false
}
