// Command layercake carries a software idea to a verified repository.
package main

import (
	"context"
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
	if w, _, err := term.GetSize(out); err == nil {
		t.Width = w
	}
	return cli.Main(ctx, os.Args[1:], t)
}
