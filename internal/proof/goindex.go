package proof

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// goNames is what the packages of a product declare, by name. It follows names
// as far as the source shows them. It is no type checker: that one can be made
// to take all memory there is by what it reads, outside of any sandbox.
type goNames struct {
	packages map[string]*packageNames // by import path, external tests as path_test
	methods  map[string][]part
	fields   map[string][]part // the types of struct fields
	steps    int               // taken so far
}

// maxSteps bounds how far all names together are followed, so that no source
// keeps the platform busy for long, and maxChain how far one is.
const (
	maxSteps = 20_000_000
	maxChain = 12
)

// spend counts steps, and says whether there are some left.
func (ix *goNames) spend(n int) bool {
	ix.steps += n
	return ix.steps < maxSteps
}

// packageNames is what one package declares.
type packageNames struct {
	name  string
	types map[string]part
	funcs map[string]part
	vars  map[string]part
	given map[string][]part // expressions that a name or a field is set to
}

// part is a piece of a file; n is nil when nothing is known.
type part struct {
	s *source
	n ast.Node
}

// indexGo reads the declarations of all sources of a product.
func indexGo(module string, sources []*source) *goNames {
	ix := &goNames{packages: map[string]*packageNames{}, methods: map[string][]part{}, fields: map[string][]part{}}
	for _, s := range sources {
		s.path = path.Join(module, path.Dir(s.name))
		if s.test && strings.HasSuffix(s.file.Name.Name, "_test") {
			s.path += "_test"
		}
		if ix.packages[s.path] == nil {
			ix.packages[s.path] = &packageNames{
				name: s.file.Name.Name, types: map[string]part{}, funcs: map[string]part{}, vars: map[string]part{}, given: map[string][]part{},
			}
		}
		ix.add(s, ix.packages[s.path])
	}
	for _, s := range sources {
		s.index = ix
		for _, spec := range s.file.Imports {
			at := unquoted(spec.Path)
			if p := ix.packages[at]; p != nil && spec.Name == nil {
				s.imports[p.name] = at // its folder may be called otherwise
			}
		}
	}
	return ix
}

func (ix *goNames) add(s *source, p *packageNames) {
	for _, d := range s.file.Decls {
		switch x := d.(type) {
		case *ast.FuncDecl:
			if x.Recv != nil {
				ix.methods[x.Name.Name] = append(ix.methods[x.Name.Name], part{s, x})
			} else {
				p.funcs[x.Name.Name] = part{s, x}
			}
		case *ast.GenDecl:
			for _, spec := range x.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					p.types[spec.Name.Name] = part{s, spec}
				case *ast.ValueSpec:
					for _, id := range spec.Names {
						p.vars[id.Name] = part{s, spec}
					}
				}
			}
		}
	}
	give := func(to ast.Expr, from ast.Expr) {
		if n := name(to); n != "" && n != "_" {
			p.given[n] = append(p.given[n], part{s, from})
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.AssignStmt:
			for i, left := range x.Lhs {
				give(left, x.Rhs[min(i, len(x.Rhs)-1)])
			}
		case *ast.ValueSpec:
			for i, id := range x.Names {
				if len(x.Values) > 0 {
					give(id, x.Values[min(i, len(x.Values)-1)])
				}
			}
		case *ast.RangeStmt:
			give(x.Key, x.X)
			give(x.Value, x.X)
		case *ast.KeyValueExpr:
			give(x.Key, x.Value)
		case *ast.StructType:
			for _, f := range x.Fields.List {
				for _, n := range fieldNames(f) {
					ix.fields[n] = append(ix.fields[n], part{s, f.Type})
				}
			}
		}
		return true
	})
}

// fieldNames are the names of a field; an embedded one has that of its type.
func fieldNames(f *ast.Field) []string {
	var out []string
	for _, id := range f.Names {
		out = append(out, id.Name)
	}
	if len(f.Names) == 0 {
		t := f.Type
		if star, ok := t.(*ast.StarExpr); ok {
			t = star.X
		}
		out = append(out, name(t))
	}
	return out
}

// typeOf returns the type of an expression as it is written somewhere in the
// product, the i-th one where the expression has several values.
func (ix *goNames) typeOf(s *source, e ast.Expr, i, left int) part {
	if left--; left < 0 || !ix.spend(1) {
		return part{}
	}
	switch x := e.(type) {
	case *ast.ParenExpr:
		return ix.typeOf(s, x.X, i, left)
	case *ast.CompositeLit:
		return part{s, x.Type}
	case *ast.TypeAssertExpr:
		return part{s, x.Type}
	case *ast.FuncLit:
		return part{s, x.Type}
	case *ast.UnaryExpr:
		t := ix.typeOf(s, x.X, 0, left)
		switch {
		case t.n == nil:
		case x.Op == token.AND:
			if to, ok := t.n.(ast.Expr); ok {
				return part{t.s, &ast.StarExpr{X: to}}
			}
		case x.Op == token.ARROW, x.Op == token.RANGE && i == 1:
			return element(ix.plain(t, left))
		}
	case *ast.StarExpr:
		t := ix.plain(ix.typeOf(s, x.X, 0, left), left)
		if star, ok := t.n.(*ast.StarExpr); ok {
			return part{t.s, star.X}
		}
	case *ast.IndexExpr:
		return element(ix.plain(ix.typeOf(s, x.X, 0, left), left))
	case *ast.SliceExpr:
		return ix.typeOf(s, x.X, 0, left)
	case *ast.Ident:
		return ix.nameType(s, x, left)
	case *ast.SelectorExpr:
		return ix.selectorType(s, x, left)
	case *ast.CallExpr:
		return ix.callType(s, x, i, left)
	}
	return part{}
}

// element is the type of what a list, a map or a channel holds.
func element(t part) part {
	switch x := t.n.(type) {
	case *ast.ArrayType:
		return part{t.s, x.Elt}
	case *ast.Ellipsis:
		return part{t.s, x.Elt}
	case *ast.MapType:
		return part{t.s, x.Value}
	case *ast.ChanType:
		return part{t.s, x.Value}
	}
	return part{}
}

func (ix *goNames) nameType(s *source, id *ast.Ident, left int) part {
	var decl any
	at := s
	if id.Obj != nil {
		decl = id.Obj.Decl
	} else if p := ix.packages[s.path]; p != nil {
		for _, found := range []part{p.vars[id.Name], p.funcs[id.Name]} {
			if found.n != nil {
				decl, at = found.n, found.s
			}
		}
	}
	return ix.declared(at, decl, id.Name, left)
}

// declared is the type that a declaration gives to a name.
func (ix *goNames) declared(s *source, decl any, as string, left int) part {
	switch x := decl.(type) {
	case *ast.Field:
		return part{s, x.Type}
	case *ast.FuncDecl:
		return part{s, x.Type}
	case *ast.ValueSpec:
		if !ix.spend(len(x.Names)) {
			return part{}
		}
		if x.Type != nil {
			return part{s, x.Type}
		}
		for i, n := range x.Names {
			if n.Name == as && len(x.Values) > 0 {
				return ix.typeOf(s, x.Values[min(i, len(x.Values)-1)], i*min(1, len(x.Names)-len(x.Values)), left)
			}
		}
	case *ast.AssignStmt:
		if !ix.spend(len(x.Lhs)) {
			return part{}
		}
		for i, to := range x.Lhs {
			if name(to) != as {
				continue
			}
			if len(x.Rhs) == len(x.Lhs) && !isRange(x.Rhs[i]) {
				return ix.typeOf(s, x.Rhs[i], 0, left)
			}
			return ix.typeOf(s, x.Rhs[0], i, left)
		}
	}
	return part{}
}

// isRange reports whether a value stands for the two of a range clause.
func isRange(e ast.Expr) bool {
	x, ok := e.(*ast.UnaryExpr)
	return ok && x.Op == token.RANGE
}

func (ix *goNames) selectorType(s *source, x *ast.SelectorExpr, left int) part {
	if s.is(x, "os", "Stdin", "Stdout", "Stderr") {
		return part{s, openFile}
	}
	if at, ok := s.imported(x.X); ok {
		p := ix.packages[at]
		if p == nil {
			return part{}
		}
		for _, found := range []part{p.vars[x.Sel.Name], p.funcs[x.Sel.Name]} {
			if found.n != nil {
				return ix.declared(found.s, found.n, x.Sel.Name, left)
			}
		}
		return part{}
	}
	if t := ix.field(ix.typeOf(s, x.X, 0, left), x.Sel.Name, left); t.n != nil {
		return t
	}
	// Of what it is a field is not known: it may be one that is known.
	return ix.anyFile(ix.fields[x.Sel.Name], left)
}

// openFile is the type *os.File, in no file of the product.
var openFile = &ast.StarExpr{X: &ast.SelectorExpr{X: ast.NewIdent("os"), Sel: ast.NewIdent("File")}}

// anyFile returns the first of some types that is *os.File.
func (ix *goNames) anyFile(types []part, left int) part {
	for _, t := range types {
		if !ix.spend(1) {
			break
		}
		if ix.isFile(t, left) {
			return t
		}
	}
	return part{}
}

// field finds a field of a struct, or of what it embeds.
func (ix *goNames) field(t part, sel string, left int) part {
	if left--; left < 0 || !ix.spend(1) {
		return part{}
	}
	t = ix.plain(t, left)
	if star, ok := t.n.(*ast.StarExpr); ok {
		t = ix.plain(part{t.s, star.X}, left)
	}
	fields, ok := t.n.(*ast.StructType)
	if !ok || !ix.spend(len(fields.Fields.List)) {
		return part{}
	}
	for _, f := range fields.Fields.List {
		if slices.Contains(fieldNames(f), sel) {
			return part{t.s, f.Type}
		}
	}
	for _, f := range fields.Fields.List {
		if len(f.Names) == 0 {
			if found := ix.field(part{t.s, f.Type}, sel, left); found.n != nil {
				return found
			}
		}
	}
	return part{}
}

// makers are the functions of os that return an *os.File.
var makers = []string{"Create", "CreateTemp", "NewFile", "Open", "OpenFile", "OpenInRoot", "Pipe"}

// noFile is a type that is not *os.File.
var noFile = ast.NewIdent("?")

// standard reports whether no function of a package returns an *os.File, other
// than one that it was given.
func standard(at string) bool {
	first, _, _ := strings.Cut(at, "/")
	return !strings.Contains(first, ".") && slices.Contains([]string{
		"bufio", "bytes", "container", "context", "crypto", "database", "encoding", "errors", "expvar", "flag", "fmt", "go", "hash", "html", "image",
		"log", "math", "mime", "net", "path", "regexp", "sort", "strconv", "strings", "text", "time", "unicode",
	}, first)
}

func (ix *goNames) callType(s *source, x *ast.CallExpr, i, left int) part {
	if s.is(x.Fun, "os", makers...) && i < 2 {
		return part{s, openFile}
	}
	switch fun := ast.Unparen(x.Fun).(type) {
	case *ast.StarExpr: // (*T)(x)
		return part{s, fun}
	case *ast.Ident:
		if fun.Name == "new" && fun.Obj == nil && len(x.Args) == 1 {
			return part{s, &ast.StarExpr{X: x.Args[0]}}
		}
		if t := ix.named(s, fun); t.n != nil {
			return part{s, fun}
		}
	case *ast.SelectorExpr:
		if t := ix.named(s, fun); t.n != nil {
			return part{s, fun}
		}
		if _, ok := s.imported(fun.X); !ok {
			var results []part
			if !ix.spend(len(ix.methods[fun.Sel.Name])) {
				return part{}
			}
			for _, m := range ix.methods[fun.Sel.Name] {
				if d, ok := m.n.(*ast.FuncDecl); ok {
					results = append(results, resultType(part{m.s, d.Type}, i))
				}
			}
			if len(results) == 1 {
				return results[0]
			}
			if t := ix.anyFile(results, left); t.n != nil {
				return t
			}
			if len(results) > 0 && !slices.Contains(results, part{}) {
				return part{s, noFile}
			}
		} else if standard(s.imports[name(fun.X)]) {
			return part{s, noFile}
		}
	}
	return resultType(ix.plain(ix.typeOf(s, x.Fun, 0, left), left), i)
}

// resultType is the type of the i-th result of a function type.
func resultType(t part, i int) part {
	fn, ok := t.n.(*ast.FuncType)
	if !ok || fn.Results == nil {
		return part{}
	}
	for _, f := range fn.Results.List {
		if i -= max(1, len(f.Names)); i < 0 {
			return part{t.s, f.Type}
		}
	}
	return part{}
}

// named returns the declaration of a type of the product.
func (ix *goNames) named(s *source, e ast.Expr) part {
	switch x := e.(type) {
	case *ast.Ident:
		if x.Obj != nil {
			if spec, ok := x.Obj.Decl.(*ast.TypeSpec); ok {
				return part{s, spec}
			}
			return part{}
		}
		if p := ix.packages[s.path]; p != nil {
			return p.types[x.Name]
		}
	case *ast.SelectorExpr:
		if at, ok := s.imported(x.X); ok && ix.packages[at] != nil {
			return ix.packages[at].types[x.Sel.Name]
		}
	case *ast.IndexExpr:
		return ix.named(s, x.X)
	case *ast.IndexListExpr:
		return ix.named(s, x.X)
	}
	return part{}
}

// plain follows the names of types of the product to what they stand for.
func (ix *goNames) plain(t part, left int) part {
	for ; left > 0 && ix.spend(1); left-- {
		e, ok := t.n.(ast.Expr)
		if !ok {
			return part{}
		}
		found := ix.named(t.s, ast.Unparen(e))
		if found.n == nil {
			return part{t.s, ast.Unparen(e)}
		}
		spec, ok := found.n.(*ast.TypeSpec)
		if !ok {
			return part{}
		}
		t = part{found.s, spec.Type}
	}
	return part{}
}

func (ix *goNames) isFile(t part, left int) bool {
	star, ok := ix.plain(t, left).n.(*ast.StarExpr)
	if !ok {
		return false
	}
	to := ix.plain(part{ix.plain(t, left).s, star.X}, left)
	e, ok := to.n.(ast.Expr)
	return star == openFile || ok && to.s.is(e, "os", "File")
}

// filePointer says whether an expression is an *os.File, and whether its type
// could be found at all.
func (s *source) filePointer(e ast.Expr) (file, known bool) {
	t := s.index.typeOf(s, e, 0, maxChain)
	return t.n != nil && s.index.isFile(t, maxChain), t.n != nil
}

// function returns the declaration of a function of the product.
func (ix *goNames) function(s *source, fun ast.Expr) part {
	switch x := ast.Unparen(fun).(type) {
	case *ast.IndexExpr:
		return ix.function(s, x.X)
	case *ast.IndexListExpr:
		return ix.function(s, x.X)
	case *ast.Ident:
		if p := ix.packages[s.path]; p != nil {
			return p.funcs[x.Name]
		}
	case *ast.SelectorExpr:
		if at, ok := s.imported(x.X); ok && ix.packages[at] != nil {
			return ix.packages[at].funcs[x.Sel.Name]
		}
	}
	return part{}
}
