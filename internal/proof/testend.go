package proof

import (
	"fmt"
	"go/ast"
	"go/types"
)

// The end of a test run is TestMain's: no other function of a test file may end
// the program, unless as a failure, and what TestMain calls after the tests is
// read, in the tests and in the product.

// exits refuses to end the program in functions other than those that were read
// as a TestMain.
func (s *source) exits(read map[*ast.FuncDecl]bool) {
	called := map[ast.Expr]bool{}
	for _, d := range s.file.Decls {
		fn, _ := d.(*ast.FuncDecl)
		ast.Inspect(d, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.CallExpr:
				if !s.is(x.Fun, "os", "Exit") {
					return true
				}
				called[ast.Unparen(x.Fun)] = true
				if (len(x.Args) != 1 || !isFailure(x.Args[0])) && !read[fn] {
					s.say(x, "ends the program with something else than a failure; only TestMain does that, with os.Exit(m.Run())")
				}
			case *ast.SelectorExpr:
				if s.is(x, "os", "Exit") && !called[x] {
					s.say(x, "hands os.Exit on; keep the function that was there before, and put that one back")
				}
			}
			return true
		})
	}
}

// after looks at what runs once the tests are over: every call behind m.Run(),
// and every deferred one.
func (r *mainRule) after() {
	end := r.runs[0].End()
	r.reading = &reading{index: r.s.index, seen: map[ast.Node]bool{}, names: map[string]bool{}}
	late := func(root ast.Node, all bool) {
		ast.Inspect(root, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if ok && (all || call.Pos() >= end) {
				r.late(call)
			}
			return true
		})
	}
	late(r.fn.Body, false)
	ast.Inspect(r.fn.Body, func(n ast.Node) bool {
		if x, ok := n.(*ast.DeferStmt); ok && x.Pos() < end {
			late(x.Call, true)
		}
		return true
	})
}

// late refuses a call that ends the program somewhere, or that cannot be
// followed.
func (r *mainRule) late(call *ast.CallExpr) {
	if call == r.runs[0] || r.s.is(call.Fun, "os", "Exit") {
		return // looked at elsewhere
	}
	if r.reading.exit != "" || r.reading.seen[call] {
		return
	}
	r.reading.seen[call] = true
	if !r.reading.callee(r.s, call.Fun) {
		r.refuse(call, "calls something after the tests that cannot be followed, and could be os.Exit; call a function by its name")
		return
	}
	for _, arg := range call.Args {
		r.reading.add(part{r.s, arg})
	}
	r.reading.all()
	if r.reading.exit != "" {
		r.refuse(call, "calls something after the tests that ends the program at "+r.reading.exit)
	}
}

// reading goes through everything that a function mentions, by name, and finds
// where the product ends the program with something else than a failure.
type reading struct {
	index *goNames
	seen  map[ast.Node]bool
	names map[string]bool // that were looked up
	next  []part
	exit  string
}

func (r *reading) add(parts ...part) {
	for _, at := range parts {
		if at.n != nil && !r.seen[at.n] {
			r.seen[at.n] = true
			r.next = append(r.next, at)
		}
	}
}

// all reads what was added, and what that mentions.
func (r *reading) all() {
	for len(r.next) > 0 && r.exit == "" {
		at := r.next[len(r.next)-1]
		r.next = r.next[:len(r.next)-1]
		r.part(at)
	}
}

// callee reads what is called, and reports whether it could be found. What the
// product does not declare does what its maker says.
func (r *reading) callee(s *source, fun ast.Expr) bool {
	p := r.index.packages[s.path]
	switch x := ast.Unparen(fun).(type) {
	case *ast.Ident:
		r.mention(s, x)
		named := p.funcs[x.Name].n != nil || p.types[x.Name].n != nil || len(p.given[x.Name]) > 0
		return named || x.Obj == nil && types.Universe.Lookup(x.Name) != nil
	case *ast.SelectorExpr:
		r.mention(s, x)
		if at, ok := s.imported(x.X); ok && r.index.packages[at] != nil {
			p := r.index.packages[at]
			return p.funcs[x.Sel.Name].n != nil || p.types[x.Sel.Name].n != nil || len(p.given[x.Sel.Name]) > 0
		}
		return true
	case *ast.FuncLit, *ast.CallExpr, *ast.ArrayType, *ast.StarExpr, *ast.InterfaceType, *ast.FuncType, *ast.MapType:
		r.add(part{s, x})
		return true
	case *ast.IndexExpr:
		return r.callee(s, x.X)
	}
	return false
}

// part reads a piece of the product.
func (r *reading) part(at part) {
	called := map[ast.Expr]bool{}
	ast.Inspect(at.n, func(n ast.Node) bool {
		if r.exit != "" || !r.index.spend(1) {
			return false
		}
		switch x := n.(type) {
		case *ast.CallExpr:
			if at.s.is(x.Fun, "os", "Exit") && len(x.Args) == 1 && isFailure(x.Args[0]) {
				called[ast.Unparen(x.Fun)] = true
			}
		case *ast.SelectorExpr:
			// In tests it is refused where it stands, or read in TestMain.
			if !at.s.test && at.s.is(x, "os", "Exit") && !called[x] {
				r.exit = fmt.Sprintf("%s:%d", at.s.name, at.s.set.Position(x.Pos()).Line)
			}
			r.mention(at.s, x)
			r.inside(at.s, x.X)
			return false
		case *ast.Ident:
			r.mention(at.s, x)
		}
		return true
	})
}

// inside reads what a selector selects from, when that is no plain name.
func (r *reading) inside(s *source, x ast.Expr) {
	if _, plain := x.(*ast.Ident); !plain {
		r.add(part{s, x})
	}
}

// mention adds what a name stands for, wherever the product declares it.
func (r *reading) mention(s *source, e ast.Expr) {
	first := func(kind, where, name string) bool {
		key := kind + where + " " + name
		known := r.names[key]
		r.names[key] = true
		return !known
	}
	at, id := s.path, name(e)
	if x, ok := e.(*ast.SelectorExpr); ok {
		from, imported := s.imported(x.X)
		if !imported {
			if first("method ", "", id) {
				r.add(r.index.methods[id]...)
			}
			if first("field ", at, id) {
				r.add(r.index.packages[at].given[id]...)
			}
			return
		}
		at = from
	}
	if p := r.index.packages[at]; p != nil && first("name ", at, id) {
		r.add(p.funcs[id])
		r.add(p.given[id]...)
	}
}
