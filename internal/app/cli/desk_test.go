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
	ctrlC  context.CancelFunc
}

func sitDown(t *testing.T, args ...string) *person {
	t.Helper()
	in, keys := io.Pipe()
	p := &person{T: t, screen: &screen{news: make(chan struct{}, 1)}, keys: keys, code: make(chan int, 1)}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	p.ctrlC = cancel
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
	p.types(prompt, "promise G0 Robin: too late")
	p.waits("must be due at a later gate")
	p.types(prompt, "promise G7 Robin:")
	p.waits("needs a text and an owner")
	p.types(prompt, "promise G7 Robin: measure the loading time")
	p.waits("Attached")
	p.types(prompt, "promise none")
	p.waits("Nothing is attached any more")
	p.types(prompt, "diff docs/NOPE.md")
	p.waits("Nothing changed in docs/NOPE.md since the last decision")
	p.types(prompt, "reopen G0: the plants")
	p.waits("has no work that could be done again")
	p.types(prompt, "reject")
	p.waits("The comment is empty. Say in a sentence what has to change.")
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

// begin gives the flags of a run in folders of its own.
func begin(t *testing.T, more ...string) (args []string, folder string) {
	t.Helper()
	folder = t.TempDir()
	t.Setenv("LAYERCAKE_CACHE", filepath.Join(folder, "cache"))
	return append([]string{"run", "An app to track my house plants", "--data", filepath.Join(folder, "data"), "--out", filepath.Join(folder, "out")}, more...), folder
}

// piped runs a command with nobody at a terminal.
func piped(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code = cli.Main(t.Context(), args, cli.Terminal{In: strings.NewReader(in), Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

// Ctrl-C at a prompt, or while agents work, loses nothing and says so.
func TestInterrupted(t *testing.T) {
	args, _ := begin(t)
	ends := func(p *person) {
		t.Helper()
		p.ctrlC()
		if said := p.ends(cli.ExitWaiting); !strings.Contains(said, "Interrupted. The same command goes on from here.") || strings.Contains(p.screen.from(0), "Failed") {
			t.Errorf("it ended with:\n%s", p.screen.from(0))
		}
	}
	p := sitDown(t, args...)
	p.screen.until(t, question)
	ends(p)

	t.Setenv("LAYERCAKE_DEMO_DELAY", "200ms")
	p = sitDown(t, append(args, "--auto-approve")...)
	p.screen.until(t, "orchestrator at work")
	ends(p)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	code := cli.Main(ctx, append(args, "--json"), cli.Terminal{In: strings.NewReader(""), Out: &out, Err: &out})
	if code != cli.ExitWaiting || !strings.Contains(out.String(), `"status":"waiting","reason":"interrupted; the same command goes on"`) {
		t.Errorf("exit %d:\n%s", code, out.String())
	}
}

// until waits for words without typing anything.
func (s *screen) until(t *testing.T, words string) {
	t.Helper()
	patience := time.After(time.Minute)
	for !strings.Contains(s.from(0), words) {
		select {
		case <-s.news:
		case <-patience:
			t.Fatalf("it never said %q:\n%s", words, s.from(0))
		}
	}
}

// What begins while nobody is there is decided by nobody; the person who comes
// decides all of it, the creation too.
func TestAPersonDecidesTheCreationLater(t *testing.T) {
	args, folder := begin(t, "--until", "G1", "--name", "House plants")
	code, out, errs := piped(t, "", args...)
	if code != cli.ExitWaiting || strings.Contains(out, "approved") || !strings.Contains(out, "G0 waits for a decision. Run the same command at a terminal to decide and answer, or with --auto-approve") {
		t.Fatalf("exit %d:\n%s%s", code, out, errs)
	}
	p := sitDown(t, args...)
	p.types("G0> ", "approve")
	p.answers("G1> ")
	if seen := p.screen.from(0); strings.Count(seen, "asks: Who is it for?") != 1 || strings.Contains(seen, "question: Who is it for?") {
		t.Errorf("a question is not shown once:\n%s", seen)
	}
	p.presses("approve")
	if said := p.ends(cli.ExitDone); strings.Contains(p.screen.from(0), "AUTO-APPROVED") {
		t.Errorf("it says:\n%s", said)
	}
	if code, out, errs := piped(t, "", "verify", "--require-human", filepath.Join(folder, "out")); code != 0 {
		t.Errorf("verify: exit %d\n%s%s", code, out, errs)
	}
}

// A person asks for help at a question, leaves it open, reopens a gate, sets a
// budget, and gives a change up only by typing the project's name.
func TestAPersonChangesTheirMind(t *testing.T) {
	args, _ := begin(t, "--name", "House plants")
	p := sitDown(t, args...)
	p.screen.until(t, question)
	p.at = strings.Index(p.screen.from(0), question) + len(question)
	p.presses("?")
	p.at += strings.Index(p.screen.from(p.at), "asks:")
	p.presses("later")
	said := p.ends(cli.ExitWaiting)
	if _, last, _ := strings.Cut(said, "Waiting for a human: "); strings.Count(last, "\n") != 2 || strings.Contains(last, "still being worked on") {
		t.Errorf("it waits for more than the question:\n%s", said)
	}

	p = sitDown(t, args...)
	p.answers("G1> ")
	p.presses("budget none")
	p.types("G1> ", "budget 5.00")
	p.waits("The project's cap is $5.0000.")
	p.types("G1> ", "approve")
	p.types("G2> ", "reopen G3: not yet")
	p.waits("only an approved gate can be reopened")
	p.types("G2> ", "reopen G1: think about ferns too")
	p.waits("reopened, back to G1: think about ferns too")
	p.types("G1> ", "cancel I do not want it any more")
	p.types("name> ", "no")
	p.waits("Nothing was cancelled")
	p.types("G1> ", "cancel I do not want it any more")
	p.types("name> ", "House plants")
	if said := p.ends(cli.ExitFailed); !strings.Contains(said, "the change was cancelled") {
		t.Errorf("it says:\n%s", said)
	}
}
