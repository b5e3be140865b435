package proof

import (
	"go/ast"
	"go/token"
	"slices"
)

// mainRule reads a TestMain, or a function that it hands its *testing.M to. Such
// a function may prepare what it likes, runs the tests once, and passes on
// their result: it cannot make a red run green, or the report another.
type mainRule struct {
	helper
	helpers map[string]helper // by package and name
	m       string            // name of the *testing.M
	codes   []string          // names that hold the result
	runs    []ast.Expr
	seen    map[*ast.FuncDecl]bool
	reading *reading // of what runs after the tests
}

// helper is a function of a test file.
type helper struct {
	s  *source
	fn *ast.FuncDecl
}

// testMains says what is wrong with the TestMain of a package, if it has one.
func testMains(sources []*source) {
	helpers := map[string]helper{}
	for _, s := range sources {
		for _, d := range s.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && s.test && fn.Recv == nil && fn.Body != nil {
				helpers[s.file.Name.Name+"."+fn.Name.Name] = helper{s, fn}
			}
		}
	}
	read := map[*ast.FuncDecl]bool{}
	for _, h := range helpers {
		if h.fn.Name.Name == "TestMain" {
			(&mainRule{helper: h, helpers: helpers, seen: read}).read()
		}
	}
	for _, s := range sources {
		if s.test {
			s.exits(read)
		}
	}
}

const mainForm = "write it as set-up followed by os.Exit(m.Run())"

func (r *mainRule) read() {
	if r.seen[r.fn] {
		return
	}
	r.seen[r.fn] = true
	if params := r.fn.Type.Params.List; len(params) > 0 && len(params[0].Names) > 0 {
		r.m = params[0].Names[0].Name
	}
	r.handle()
	if len(r.runs) != 1 {
		r.s.say(r.fn, "%s runs the tests in %d places and not in one; %s", r.fn.Name.Name, len(r.runs), mainForm)
		return
	}
	r.results()
	r.ends()
	r.after()
}

func (r *mainRule) refuse(at ast.Node, what string) {
	r.s.say(at, "%s %s; %s", r.fn.Name.Name, what, mainForm)
}

// handle finds every use of the *testing.M: one call that runs the tests, and
// nothing else.
func (r *mainRule) handle() {
	known := map[*ast.Ident]bool{}
	nested := 0
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.FuncLit, *ast.ForStmt, *ast.RangeStmt, *ast.GoStmt, *ast.DeferStmt:
			nested++
			for _, part := range inside(x) {
				ast.Inspect(part, visit)
			}
			nested--
			return false
		case *ast.CallExpr:
			if id := r.runsTests(x); id != nil {
				known[id] = true
				r.runs = append(r.runs, x)
				if nested > 0 {
					r.refuse(x, "runs the tests in a loop, a goroutine or a function of its own")
				}
			}
		case *ast.Ident:
			if x.Name == r.m && !known[x] {
				r.refuse(x, "uses its *testing.M for something else than to run the tests")
			}
		}
		return true
	}
	ast.Inspect(r.fn.Body, visit)
}

// inside are the parts of a statement that may run late or more than once.
func inside(n ast.Node) []ast.Node {
	var out []ast.Node
	switch x := n.(type) {
	case *ast.FuncLit:
		out = append(out, x.Body)
	case *ast.ForStmt:
		for _, s := range []ast.Stmt{x.Init, x.Post} {
			if s != nil {
				out = append(out, s)
			}
		}
		if x.Cond != nil {
			out = append(out, x.Cond)
		}
		out = append(out, x.Body)
	case *ast.RangeStmt:
		out = append(out, x.X, x.Body)
	case *ast.GoStmt:
		out = append(out, x.Call)
	case *ast.DeferStmt:
		out = append(out, x.Call)
	}
	return out
}

// runsTests returns the *testing.M of m.Run() and of helper(m), after reading
// the helper too.
func (r *mainRule) runsTests(x *ast.CallExpr) *ast.Ident {
	switch fun := x.Fun.(type) {
	case *ast.SelectorExpr:
		id, ok := fun.X.(*ast.Ident)
		if ok && id.Name == r.m && fun.Sel.Name == "Run" && len(x.Args) == 0 {
			return id
		}
	case *ast.Ident:
		h, ok := r.helpers[r.s.file.Name.Name+"."+fun.Name]
		if !ok || len(x.Args) == 0 {
			return nil
		}
		id, ok := x.Args[0].(*ast.Ident)
		if !ok || id.Name != r.m {
			return nil
		}
		(&mainRule{helper: h, helpers: r.helpers, seen: r.seen}).read()
		return id
	}
	return nil
}

// results finds the names that hold the result, and refuses to change them to
// anything but a failure.
func (r *mainRule) results() {
	run := r.runs[0]
	ast.Inspect(r.fn.Body, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			if len(x.Rhs) == 1 && x.Rhs[0] == run {
				r.codes = append(r.codes, name(x.Lhs[0]))
			}
		case *ast.ValueSpec:
			if len(x.Values) == 1 && x.Values[0] == run {
				r.codes = append(r.codes, x.Names[0].Name)
			}
		}
		return true
	})
	ast.Inspect(r.fn.Body, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			for i, left := range x.Lhs {
				if !slices.Contains(r.codes, name(left)) {
					continue
				}
				plain := x.Tok == token.ASSIGN || x.Tok == token.DEFINE
				if !plain || len(x.Lhs) != len(x.Rhs) || x.Rhs[i] != run && !isFailure(x.Rhs[i]) {
					r.refuse(x, "changes the result of the tests")
				}
			}
		case *ast.IncDecStmt:
			if slices.Contains(r.codes, name(x.X)) {
				r.refuse(x, "changes the result of the tests")
			}
		case *ast.UnaryExpr:
			if x.Op == token.AND && slices.Contains(r.codes, name(x.X)) {
				r.refuse(x, "hands the result of the tests on to be changed")
			}
		}
		return true
	})
}

// ends refuses to end the program, or to return, with anything but the result
// or a failure.
func (r *mainRule) ends() {
	honest := func(e ast.Expr) bool {
		return e == r.runs[0] || isFailure(e) || slices.Contains(r.codes, name(e))
	}
	ast.Inspect(r.fn.Body, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.FuncLit:
			// Its returns are its own; it may still end the program.
			ast.Inspect(x.Body, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && r.s.is(call.Fun, "os", "Exit") && len(call.Args) == 1 && !honest(call.Args[0]) {
					r.refuse(call, "ends the program with something else than the result of the tests")
				}
				return true
			})
			return false
		case *ast.CallExpr:
			if r.s.is(x.Fun, "os", "Exit") && len(x.Args) == 1 && !honest(x.Args[0]) {
				r.refuse(x, "ends the program with something else than the result of the tests")
			}
		case *ast.ReturnStmt:
			if len(x.Results) > 0 && !honest(x.Results[0]) {
				r.refuse(x, "returns something else than the result of the tests")
			}
		}
		return true
	})
	// A helper must not drop the result that TestMain passes on.
	if r.fn.Type.Results == nil {
		return
	}
	for _, stmt := range r.fn.Body.List {
		if x, ok := stmt.(*ast.ExprStmt); ok && x.X == r.runs[0] {
			r.refuse(x, "drops the result of the tests")
		}
	}
}

// isFailure reports whether an expression is a number that is not 0.
func isFailure(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Kind == token.INT && lit.Value != "0"
}
