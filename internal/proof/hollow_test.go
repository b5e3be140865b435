package proof

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// TestHollow lists bodies of tests that can fail and that cannot.
func TestHollow(t *testing.T) {
	t.Parallel()
	const helpers = `
func assertOK(t *testing.T, err error) { t.Helper(); if err != nil { t.Fatal(err) } }
func shrug(t *testing.T, err error) { t.Helper(); t.Log(err) }
func deep(t testing.TB) { if len(os.Args) > 9 { deep(t) }; assertOK(t.(*testing.T), nil) }
func round(t *testing.T) { again(t) }
func again(t *testing.T) { round(t) }
`
	for name, c := range map[string]struct {
		decl   string
		hollow bool
	}{
		"fatal":                  {`func TestX(t *testing.T) { if f() { t.Fatal("x") } }`, false},
		"another name":           {`func TestX(tt *testing.T) { if f() { tt.Errorf("x") } }`, false},
		"subtest":                {`func TestX(t *testing.T) { t.Run("a", func(t *testing.T) { if f() { t.Fail() } }) }`, false},
		"table of functions":     {`func TestX(t *testing.T) { for _, c := range []func(*testing.T){ func(u *testing.T) { u.FailNow() } } { c(t) } }`, false},
		"helper":                 {`func TestX(t *testing.T) { assertOK(t, f()) }`, false},
		"helper of a helper":     {`func TestX(t *testing.T) { deep(t) }`, false},
		"a library":              {`func TestX(t *testing.T) { require.NoError(t, f()) }`, false},
		"a struct":               {`func TestX(t *testing.T) { s := suite{t}; s.check() }`, false},
		"panic":                  {`func TestX(t *testing.T) { if f() { panic("x") } }`, false},
		"log.Fatal":              {`func TestX(t *testing.T) { if f() { log.Fatal("x") } }`, false},
		"in cleanup":             {`func TestX(t *testing.T) { t.Cleanup(func() { t.Error("x") }) }`, false},
		"empty":                  {`func TestX(t *testing.T) {}`, true},
		"only a comment":         {"func TestX(t *testing.T) {\n// soon\n}", true},
		"log":                    {`func TestX(t *testing.T) { t.Log("fine") }`, true},
		"no handle":              {`func TestX(_ *testing.T) { f() }`, true},
		"unnamed handle":         {`func TestX(*testing.T) { f() }`, true},
		"calls only":             {`func TestX(t *testing.T) { t.Parallel(); _ = f() }`, true},
		"empty subtests":         {`func TestX(t *testing.T) { t.Run("a", func(t *testing.T) { t.Log(1) }) }`, true},
		"harmless helper":        {`func TestX(t *testing.T) { shrug(t, f()) }`, true},
		"helpers in a circle":    {`func TestX(t *testing.T) { round(t) }`, true},
		"if false":               {`func TestX(t *testing.T) { if false { t.Fatal("x") } }`, true},
		"else of if false":       {`func TestX(t *testing.T) { if false { f() } else { t.Fatal("x") } }`, false},
		"after return":           {`func TestX(t *testing.T) { f(); return; t.Fatal("x") }`, true},
		"assert in the argument": {`func TestX(t *testing.T) { shrug(t, func() error { t.Error("x"); return nil }()) }`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := parser.ParseFile(token.NewFileSet(), "x_test.go", "package x\n"+helpers+c.decl, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			functions := map[string]*ast.FuncDecl{}
			var test *ast.FuncDecl
			for _, d := range file.Decls {
				fn := d.(*ast.FuncDecl) //nolint:errcheck // the source holds functions only
				functions[fn.Name.Name] = fn
				if fn.Name.Name == "TestX" {
					test = fn
				}
			}
			delete(functions, "TestX")
			if why := hollow(test, functions); (why != "") != c.hollow {
				t.Errorf("got %q, want hollow %v", why, c.hollow)
			}
		})
	}
}
