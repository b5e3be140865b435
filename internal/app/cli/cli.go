// Package cli is the command line: it reads words and flags, opens what they
// name through package app, and writes for people or, with --json, for scripts.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/fault"
)

// Exit codes that scripts may rely on.
const (
	ExitDone    = 0
	ExitFailed  = 1
	ExitUsage   = 2
	ExitWaiting = 3
)

// Version is set when a release is built.
var Version = "dev"

// Terminal is where a command reads and writes. Interactive says that a person
// sits at In: only then is a decision made there a person's.
type Terminal struct {
	In          io.Reader
	Out, Err    io.Writer
	Interactive bool // In is a terminal
	Live        bool // Out is a terminal that can redraw a line
	Width       int
}

type commands struct {
	Run       runCmd       `cmd:"" help:"Carry an idea through all gates into a repository."`
	Verify    verifyCmd    `cmd:"" help:"Check the evidence of a data folder, a repository or a zip."`
	Doctor    doctorCmd    `cmd:"" help:"Say what this machine is missing and how to get it."`
	Migrate   migrateCmd   `cmd:"" help:"Bring the database to this version's schema, or back."`
	Config    configCmd    `cmd:"" help:"Print the settings, secrets masked."`
	Blueprint blueprintCmd `cmd:"" help:"Show or validate blueprints."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// env is what every command gets.
type env struct {
	ctx      context.Context
	term     Terminal
	settings app.Settings
	log      *slog.Logger
}

// exit ends a command with a code, after it has said why.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// Main runs one command and returns the exit code.
func Main(ctx context.Context, args []string, term Terminal) int {
	err := execute(ctx, args, term)
	var code exit
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &code):
		return int(code)
	}
	printError(term.Err, err)
	if fault.KindOf(err) == fault.KindInvalid {
		return ExitUsage
	}
	return ExitFailed
}

// printError says what went wrong and what to do; the text of an internal
// error goes to the log only.
func printError(w io.Writer, err error) {
	fmt.Fprintf(w, "layercake: %s\n", oneLine(fault.Public(err)))
	if f, ok := fault.As(err); ok && len(f.Details) > 1 {
		for _, d := range f.Details {
			fmt.Fprintf(w, "  %s\n", oneLine(strings.Join([]string{d.Field + ":", d.Message + ".", d.Next}, " ")))
		}
	}
}

func execute(ctx context.Context, args []string, term Terminal) error {
	var cmd commands
	code := -1
	parser, err := kong.New(&cmd, kong.Name("layercake"), kong.Writers(term.Out, term.Err), kong.Exit(func(c int) { code = c; panic(exit(c)) }),
		kong.Description("From an idea to a verified repository: agents do the work, the machine obtains the evidence, a named human decides."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		return fmt.Errorf("read command line: %w", err)
	}
	kctx, err := parse(parser, args)
	if code >= 0 {
		return exit(code)
	}
	if err != nil {
		fmt.Fprintf(term.Err, "layercake: %s. `layercake --help` lists the commands.\n", err)
		return exit(ExitUsage)
	}
	settings, err := app.LoadSettings()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(term.Err, &slog.HandlerOptions{Level: level(settings.LogLevel)}))
	if err := kctx.Run(&env{ctx: ctx, term: term, settings: settings, log: log}); err != nil {
		if fault.KindOf(err) == fault.KindInternal && !errors.As(err, new(exit)) {
			log.ErrorContext(ctx, "command failed", "error", err)
		}
		return err
	}
	return nil
}

// parse turns kong's way of leaving (help, version) into a normal return.
func parse(p *kong.Kong, args []string) (k *kong.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exit); !ok {
				panic(r)
			}
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	return p.Parse(args)
}

func level(name string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return slog.LevelWarn
	}
	return l
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(e *env) error {
	fmt.Fprintf(e.term.Out, "layercake %s\n", Version)
	return nil
}

type configCmd struct{}

// Run prints every setting.
func (configCmd) Run(e *env) error {
	for _, s := range e.settings.Print() {
		value := s.Value
		if value == "" {
			value = "(not set)"
		}
		fmt.Fprintf(e.term.Out, "%-24s %s\n%-24s   %s\n", s.Name, value, "", s.Help)
	}
	return nil
}

// readFile reads a file that a person named.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Invalid("file.unreadable", "The file %s cannot be read. Check its name.", path).Because(err)
	}
	if info.IsDir() || info.Size() > limit {
		return nil, fault.Invalid("file.size", "%s is no file of at most %d bytes.", path, limit)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Invalid("file.unreadable", "The file %s cannot be read. Check its permissions.", path).Because(err)
	}
	return data, nil
}
