package proof

import (
	"strings"
	"testing"
)

// TestOnlyTestMainEndsTheTests lists what a test file and a product may do that
// ends the program, or is called once the tests are over.
func TestOnlyTestMainEndsTheTests(t *testing.T) {
	t.Parallel()
	product := files{"app/app.go": `package app

import "os"

type App struct{}

func (App) Close() error { return nil }
func (App) Quit()        { quit() }
func quit()              { os.Exit(0) }

func Start() (App, func()) { return App{}, func() { println("stopped") } }
func Stop(code int)        { os.Exit(code) }
func Usage()               { os.Exit(2) }

var Exit = os.Exit
var Hooks []func()
`}
	for name, c := range map[string]struct{ body, words string }{
		"a failure":               {`func setUp() { if os.Getenv("X") == "" { os.Exit(1) } }; func TestMain(m *testing.M) { setUp(); os.Exit(m.Run()) }`, ""},
		"tear-down":               {`func down() { os.Remove("x") }; func TestMain(m *testing.M) { code := m.Run(); down(); os.Exit(code) }`, ""},
		"deferred tear-down":      {`func down() { os.Remove("x") }; func all(m *testing.M) int { a, stop := app.Start(); defer stop(); defer a.Close(); defer down(); return m.Run() }; func TestMain(m *testing.M) { os.Exit(all(m)) }`, ""},
		"a function of set-up":    {`func up() func() { return func() { os.Remove("x") } }; func TestMain(m *testing.M) { down := up(); code := m.Run(); down(); os.Exit(code) }`, ""},
		"functions in a list":     {`var downs []func(); func up() { downs = append(downs, func() {}) }; func TestMain(m *testing.M) { up(); code := m.Run(); for _, down := range downs { down() }; os.Exit(code) }`, ""},
		"a function in a struct":  {`type env struct{ down func() }; var e env; func up() { e.down = func() {} }; func TestMain(m *testing.M) { up(); code := m.Run(); e.down(); os.Exit(code) }`, ""},
		"built in, and of others": {`func TestMain(m *testing.M) { l := []int{1}; code := m.Run(); fmt.Fprintln(os.Stderr, len(l), string(os.Args[1]), int64(code)); if err := os.RemoveAll("x"); err != nil { panic(err) }; os.Exit(code) }`, ""},
		"as a failure":            {`func TestMain(m *testing.M) { code := m.Run(); if code > 1 { app.Usage() }; os.Exit(code) }`, ""},
		"a main that is started":  {`func TestMain(m *testing.M) { go app.Stop(0); os.Exit(m.Run()) }`, ""},
		"a signal to itself":      {`func TestStops(t *testing.T) { if syscall.Kill(syscall.Getpid(), syscall.SIGHUP) != nil { t.Fatal() } }`, ""},

		"in init":                 {`func init() { go func() { os.Exit(0) }() }`, "something else than a failure"},
		"in a test":               {`func TestA(t *testing.T) { os.Exit(0) }`, "something else than a failure"},
		"in a helper":             {`func finish(code int) { os.Exit(code) }; func TestMain(m *testing.M) { finish(m.Run()) }`, "something else than a failure"},
		"in a twin of TestMain":   {`func other(m *testing.M) { os.Exit(0) }`, "something else than a failure"},
		"handed on":               {`var exit = os.Exit`, "hands os.Exit on"},
		"by the system":           {`func f() { syscall.Exit(0) }`, "calls syscall.Exit"},
		"becomes another program": {`func f() { syscall.Exec("/bin/true", nil, nil) }`, "calls syscall.Exec"},
		"a pipe":                  {`func f() { os.Pipe() }`, "makes a pipe"},
		"a pipe of the system":    {`func f() { syscall.Pipe2(nil, 0) }`, "calls syscall.Pipe2"},
		"the product's":           {`func TestMain(m *testing.M) { m.Run(); app.Stop(0) }`, "ends the program at app/app.go:12"},
		"the product's, deferred": {`func all(m *testing.M) int { defer app.Stop(0); return m.Run() }; func TestMain(m *testing.M) { os.Exit(all(m)) }`, "ends the program at app/app.go:12"},
		"the product's method":    {`func TestMain(m *testing.M) { m.Run(); app.App{}.Quit() }`, "ends the program at app/app.go:9"},
		"the product's variable":  {`func TestMain(m *testing.M) { m.Run(); app.Exit(0) }`, "ends the program at app/app.go:15"},
		"through a function":      {`func down() { app.Stop(0) }; func TestMain(m *testing.M) { m.Run(); down() }`, "ends the program at app/app.go:12"},
		"through a list":          {`var downs = []func(int){app.Stop}; func TestMain(m *testing.M) { m.Run(); for _, down := range downs { down(0) } }`, "ends the program at app/app.go:12"},
		"by its value":            {`func TestMain(m *testing.M) { stop := app.Stop; m.Run(); stop(0) }`, "ends the program at app/app.go:12"},
		"as an argument":          {`func call(f func(int)) { f(0) }; func TestMain(m *testing.M) { m.Run(); call(app.Stop) }`, "ends the program at app/app.go:12"},
		"of nobody knows where":   {`func all(m *testing.M, f func(int)) { m.Run(); f(0) }; func TestMain(m *testing.M) { all(m, nil) }`, "cannot be followed"},
		"a list that is filled":   {`func TestMain(m *testing.M) { m.Run(); app.Hooks[0]() }`, "cannot be followed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := goFile("x", c.body)
			if strings.Contains(text, "app.") {
				text = strings.Replace(text, "\n\n", "\n\nimport \"example.com/x/app\"\n", 1)
			}
			got := meddle(t, product.with(files{"x_test.go": text}))
			if c.words == "" && got != "" || !strings.Contains(got, c.words) {
				t.Errorf("got %q, want %q", got, c.words)
			}
		})
	}
	// What no test has a use for, a product may have.
	if got := meddle(t, files{"x.go": goFile("x", `func f() { os.Pipe(); syscall.Exec("/bin/true", nil, nil); os.Exit(0) }`)}); got != "" {
		t.Errorf("in the product: %s", got)
	}
}
