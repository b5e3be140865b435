package cli_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/app/cli"
	"github.com/layercake-app/layercake/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.MaybeRelay()
	os.Exit(m.Run())
}

// screen is what a person sees.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
	news chan struct{}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.text.Write(p)
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *screen) from(at int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()[at:]
}

// person sits at a terminal.
type person struct {
	*testing.T
	screen *screen
	keys   *io.PipeWriter
	at     int // what was read of the screen
	code   chan int
}

func sitDown(t *testing.T, args ...string) *person {
	t.Helper()
	in, keys := io.Pipe()
	p := &person{T: t, screen: &screen{news: make(chan struct{}, 1)}, keys: keys, code: make(chan int, 1)}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	go func() {
		defer cancel()
		p.code <- cli.Main(ctx, args, cli.Terminal{In: in, Out: p.screen, Err: p.screen, Interactive: true, Live: true, Width: 100})
		_ = in.Close()
	}()
	return p
}

// question is the prompt below a question of an agent.
const question = "answer> "

// waits until the words appear after what was seen before, and returns what is
// before them.
func (p *person) waits(words string) string {
	p.Helper()
	return p.answers(words)
}

// answers waits likewise, and answers the questions that come before: the first
// ones as given, the others by Enter alone.
func (p *person) answers(words string, given ...string) string {
	p.Helper()
	patience := time.After(time.Minute)
	for {
		before, _, found := strings.Cut(p.screen.from(p.at), words)
		if asked, _, ok := strings.Cut(before, question); ok {
			answer := ""
			if len(given) > 0 {
				answer, given = given[0], given[1:]
			}
			p.at += len(asked) + len(question)
			p.presses(answer)
			continue
		}
		if found {
			p.at += len(before) + len(words)
			return before
		}
		select {
		case <-p.screen.news:
		case code := <-p.code:
			p.Fatalf("it ended with %d before it said %q:\n%s", code, words, p.screen.from(p.at))
		case <-patience:
			p.Fatalf("it never said %q:\n%s", words, p.screen.from(p.at))
		}
	}
}

// types waits for the prompt and types a line.
func (p *person) types(prompt, line string) {
	p.Helper()
	p.waits(prompt)
	p.presses(line)
}

func (p *person) presses(line string) {
	p.Helper()
	if _, err := io.WriteString(p.keys, line+"\n"); err != nil {
		p.Fatal(err)
	}
}

func (p *person) ends(code int) string {
	p.Helper()
	if got := <-p.code; got != code {
		p.Fatalf("it ended with %d instead of %d:\n%s", got, code, p.screen.from(0))
	}
	return p.screen.from(p.at)
}

// A person reads, errs, rejects, chooses, leaves and comes back; at the end the
// decisions are theirs.
func TestAPersonDecidesAtTheTerminal(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("LAYERCAKE_CACHE", filepath.Join(folder, "cache"))
	args := []string{
		"run", "An app to track my house plants", "--blueprint", "express", "--until", "G4",
		"--data", filepath.Join(folder, "data"), "--out", filepath.Join(folder, "out"),
	}
	p := sitDown(t, args...)
	p.waits("demo model (templates, not AI)")
	brief := p.answers("Type one of:", "2", "Nobody but me")
	if answers := p.screen.from(0); !strings.Contains(answers, "answer: one person (terminal)") || !strings.Contains(answers, "answer: Nobody but me (terminal)") {
		t.Errorf("the answers were not taken as typed:\n%s", answers)
	}
	for _, want := range []string{"docs/PRD.md", "docs/ARCHITECTURE.md", "Design"} {
		if !strings.Contains(brief, want) {
			t.Errorf("the brief does not name %s:\n%s", want, brief)
		}
	}
	const prompt = "G1, G2, G3, G4> "
	p.types(prompt, "not approved")
	p.types("neither an approval nor a rejection", "")
	p.types(prompt, "open docs/PRD.md")
	p.waits("## ")
	p.types(prompt, "open ../../etc/passwd")
	p.types(prompt, "open designs/option-2-gallery.html")
	p.waits("Open it in a browser: file://")
	page, _, _ := strings.Cut(p.screen.from(p.at), "\n")
	if data, err := os.ReadFile(page); err != nil || !strings.HasPrefix(string(data), "<!doctype html>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\"") {
		t.Errorf("the page is not where it was said to be, or may do anything: %v", err)
	}
	p.types(prompt, "design 9")
	p.types(prompt, "design 2")
	p.waits("is chosen")
	p.types(prompt, "promise G7 Robin: measure the loading time")
	p.types(prompt, "reject")
	p.types(prompt, "reject G2: Say that it has to work without a mouse")
	p.waits("back to G2")
	p.types(prompt, "later")
	p.waits("Waiting for a human")
	p.ends(cli.ExitWaiting)

	p = sitDown(t, args...)
	p.waits("Going on with project")
	p.types(prompt, "diff docs/PRD.md")
	p.types(prompt, "approve with Good, go on")
	if left := p.ends(cli.ExitDone); !strings.Contains(left, "G4") || strings.Contains(left, "AUTO-APPROVED") {
		t.Errorf("it ended with:\n%s", left)
	}
}
