// Command layercake carries a software idea to a verified repository.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/layercake-app/layercake/internal/app/cli"
	"github.com/layercake-app/layercake/internal/sandbox"
)

func main() {
	sandbox.MaybeRelay()
	os.Exit(start())
}

func start() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	out := int(os.Stdout.Fd())
	t := cli.Terminal{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Interactive: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(out), Live: term.IsTerminal(out),
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		t.Secret = secret
	}
	if w, _, err := term.GetSize(out); err == nil {
		t.Width = w
	}
	return cli.Main(ctx, os.Args[1:], t)
}

// secret reads a line that the terminal does not show. Told to stop, it leaves the
// terminal as it was.
func secret(ctx context.Context) (string, error) {
	fd := int(os.Stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type line struct {
		text []byte
		err  error
	}
	got := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		got <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	case l := <-got:
		return string(l.text), l.err
	}
}
