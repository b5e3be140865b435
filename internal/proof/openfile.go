package proof

import "go/ast"

// The standard output can be exchanged without naming it: what an *os.File
// points to is copied over with another file. An ordinary product has no use for
// an os.File that it does not reach through a pointer, nor for its copy.

const openFileForm = "hand the function an io.Writer instead"

// through refuses to take the file that an *os.File points to.
func (s *source) through(x *ast.StarExpr) {
	s.pointed[ast.Unparen(x.X)] = true
	if file, _ := s.filePointer(x.X); file {
		s.say(x, "copies or overwrites an open file; %s", openFileForm)
	}
}

// copied refuses to copy over what a pointer of unknown type points to, when the
// type of what is copied is unknown too.
func (s *source) copied(left, right ast.Expr) {
	to, ok := ast.Unparen(left).(*ast.StarExpr)
	if !ok {
		return
	}
	if _, known := s.filePointer(to.X); !known && s.unknownCopy(right, 3) {
		s.say(left, "copies over something of which the source does not say what it is, and which may be an open file; declare its type, or assign its fields")
	}
}

func (s *source) unknownCopy(right ast.Expr, left int) bool {
	switch x := ast.Unparen(right).(type) {
	case *ast.StarExpr:
		_, known := s.filePointer(x.X)
		return !known
	case *ast.Ident:
		if left == 0 {
			return true
		}
		if _, known := s.filePointer(x); known {
			return false
		}
		if decl := x.Obj; decl != nil {
			switch to := decl.Decl.(type) {
			case *ast.AssignStmt:
				return s.unknownGiven(to.Lhs, to.Rhs, x.Name, left)
			case *ast.ValueSpec:
				names := make([]ast.Expr, len(to.Names))
				for i, n := range to.Names {
					names[i] = n
				}
				return s.unknownGiven(names, to.Values, x.Name, left)
			}
			return false
		}
		for _, from := range s.index.packages[s.path].given[x.Name] {
			e, ok := from.n.(ast.Expr)
			if !s.index.spend(1) || ok && from.s.unknownCopy(e, left-1) {
				return true
			}
		}
	}
	return false
}

func (s *source) unknownGiven(to, from []ast.Expr, as string, left int) bool {
	for i, l := range to {
		if !s.index.spend(1) || name(l) == as && len(to) == len(from) && s.unknownCopy(from[i], left-1) {
			return true
		}
	}
	return false
}

// byValue refuses the type os.File without a pointer, but for a new one.
func (s *source) byValue(x *ast.SelectorExpr) {
	if !s.pointed[x] {
		s.say(x, "uses os.File without a pointer, so that an open file could be copied; use *os.File")
	}
}

// handsFile refuses to hand an open file to what could reach through the
// pointer whatever its type is: reflection, unsafe, and functions of the product
// that are generic in what a pointer points to.
func (s *source) handsFile(x *ast.CallExpr) {
	if id, ok := x.Fun.(*ast.Ident); ok && id.Name == "new" && len(x.Args) == 1 {
		s.pointed[ast.Unparen(x.Args[0])] = true
	}
	reaches := s.is(x.Fun, "reflect", "ValueOf") || s.is(x.Fun, "unsafe", "Pointer") || s.genericPointer(x.Fun)
	for _, arg := range x.Args {
		if !reaches {
			return
		}
		if file, _ := s.filePointer(arg); file {
			s.say(x, "hands an open file to %s, which can overwrite it; %s", name(x.Fun), openFileForm)
		}
	}
}

// genericPointer reports whether a function of the product is generic in what a
// pointer points to.
func (s *source) genericPointer(fun ast.Expr) bool {
	decl, ok := s.index.function(s, fun).n.(*ast.FuncDecl)
	if !ok || decl.Type.TypeParams == nil {
		return false
	}
	params := map[string]bool{}
	for _, f := range decl.Type.TypeParams.List {
		for _, id := range f.Names {
			params[id.Name] = true
		}
	}
	found := false
	for _, list := range []*ast.FieldList{decl.Type.TypeParams, decl.Type.Params} {
		ast.Inspect(list, func(n ast.Node) bool {
			if star, ok := n.(*ast.StarExpr); ok {
				found = found || params[name(star.X)]
			}
			return !found && s.index.spend(1)
		})
	}
	return found
}
