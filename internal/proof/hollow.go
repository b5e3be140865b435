package proof

import (
	"go/ast"
	"slices"
)

// hollow explains why a test cannot fail, "" when it can. A test can fail when
// its body reports a failure through its *testing.T, hands it to something
// that may (other than a helper of the same package that cannot), panics, or
// ends the process.
func hollow(fn *ast.FuncDecl, helpers map[string]*ast.FuncDecl) string {
	if len(fn.Body.List) == 0 {
		return "its body is empty"
	}
	a := &assertions{helpers: helpers, known: map[string]bool{}}
	if !a.canFail(fn.Type.Params, fn.Body) {
		return "nothing in it can fail"
	}
	return ""
}

// assertions looks for statements that can fail a test. known holds what was
// found out about helpers; one that is under way counts as harmless, so that
// recursion ends.
type assertions struct {
	helpers map[string]*ast.FuncDecl
	known   map[string]bool
}

var failing = []string{"Error", "Errorf", "Fatal", "Fatalf", "Fail", "FailNow"}

// harmless are the methods of testing.T that cannot fail a test by themselves;
// what is nested in their arguments is looked at on its own.
var harmless = []string{
	"Run", "Cleanup", "Helper", "Parallel", "Log", "Logf", "Name", "Skip", "Skipf", "SkipNow",
	"Skipped", "Failed", "TempDir", "Setenv", "Chdir", "Deadline", "Context", "Attr", "Output", "ArtifactDir",
}

func (a *assertions) canFail(params *ast.FieldList, body *ast.BlockStmt) bool {
	handles := map[string]bool{}
	addHandles(handles, params)
	found := false
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		if found || n == nil {
			return false
		}
		switch x := n.(type) {
		case *ast.BlockStmt:
			for _, stmt := range reachable(x.List) {
				ast.Inspect(stmt, visit)
			}
			return false
		case *ast.IfStmt:
			if id, ok := x.Cond.(*ast.Ident); ok && id.Name == "false" {
				if x.Else != nil {
					ast.Inspect(x.Else, visit)
				}
				return false
			}
		case *ast.FuncLit:
			addHandles(handles, x.Type.Params)
			ast.Inspect(x.Body, visit)
			return false
		case *ast.CallExpr:
			rest, understood, fails := a.call(x, handles)
			found = found || fails
			if understood {
				for _, arg := range rest {
					ast.Inspect(arg, visit)
				}
				return false
			}
		case *ast.Ident:
			// The handle goes somewhere that was not recognized: a struct, a
			// variable, a closure's environment.
			found = found || handles[x.Name]
		}
		return !found
	}
	ast.Inspect(body, visit)
	return found
}

// call judges one call. When its function was understood, rest is what remains
// to be looked at: the arguments, without handles that went to a helper which
// does nothing with them.
func (a *assertions) call(x *ast.CallExpr, handles map[string]bool) (rest []ast.Expr, understood, fails bool) {
	switch fun := x.Fun.(type) {
	case *ast.SelectorExpr:
		base, ok := fun.X.(*ast.Ident)
		if !ok {
			return nil, false, false
		}
		if handles[base.Name] {
			if slices.Contains(failing, fun.Sel.Name) {
				return nil, true, true
			}
			return x.Args, slices.Contains(harmless, fun.Sel.Name), false
		}
		ends := base.Name == "os" && fun.Sel.Name == "Exit" || base.Name == "log" && (slices.Contains(failing, fun.Sel.Name) || fun.Sel.Name == "Fatalln")
		return nil, ends, ends
	case *ast.Ident:
		helper := a.helpers[fun.Name]
		switch {
		case fun.Name == "panic":
			return nil, true, true
		case helper == nil:
			return nil, false, false
		}
		fails, ok := a.known[fun.Name]
		if !ok {
			a.known[fun.Name] = false
			fails = a.canFail(helper.Type.Params, helper.Body)
			a.known[fun.Name] = fails
		}
		return withoutHandles(x.Args, handles), true, fails
	}
	return nil, false, false
}

func withoutHandles(args []ast.Expr, handles map[string]bool) []ast.Expr {
	return slices.DeleteFunc(slices.Clone(args), func(arg ast.Expr) bool {
		id, ok := arg.(*ast.Ident)
		return ok && handles[id.Name]
	})
}

// addHandles remembers the parameters that are *testing.T, *testing.F or
// testing.TB.
func addHandles(handles map[string]bool, params *ast.FieldList) {
	for _, field := range params.List {
		if !isTesting(field.Type, "T") && !isTesting(field.Type, "F") && !isTB(field.Type) {
			continue
		}
		for _, name := range field.Names {
			if name.Name != "_" {
				handles[name.Name] = true
			}
		}
	}
}

func isTB(t ast.Expr) bool {
	sel, ok := t.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "TB"
}

// reachable cuts a list of statements after the first that leaves it.
func reachable(stmts []ast.Stmt) []ast.Stmt {
	for i, s := range stmts {
		if _, leaves := s.(*ast.ReturnStmt); leaves {
			return stmts[:i+1]
		}
	}
	return stmts
}
