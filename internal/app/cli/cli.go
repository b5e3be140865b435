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
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/app/client"
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
	// Secret reads a line that the screen does not show; nil when nobody sits at In.
	Secret func(ctx context.Context) (string, error)
}

type commands struct {
	Run       runCmd       `cmd:"" help:"Carry an idea through all gates into a repository."`
	Serve     serveCmd     `cmd:"" help:"Serve projects to people and programs over HTTP."`
	Export    exportCmd    `cmd:"" help:"Write a project's repository into a folder, a zip or a git bundle."`
	Backup    backupCmd    `cmd:"" help:"Write a whole instance into one file, also while it is at work."`
	Restore   restoreCmd   `cmd:"" help:"Make an instance again from a backup, in an empty folder."`
	Verify    verifyCmd    `cmd:"" help:"Check the evidence of a data folder, a repository or a zip."`
	Doctor    doctorCmd    `cmd:"" help:"Say what this machine is missing and how to get it."`
	Migrate   migrateCmd   `cmd:"" help:"Bring the database to this version's schema, or back."`
	Config    configCmd    `cmd:"" help:"Print the settings, secrets masked."`
	Blueprint blueprintCmd `cmd:"" help:"Show or validate blueprints."`
	Version   versionCmd   `cmd:"" help:"Print the version."`

	Login    loginCmd    `cmd:"" group:"Commands that use a server:" help:"Log in to a LayerCake server."`
	Logout   logoutCmd   `cmd:"" group:"Commands that use a server:" help:"End your session on the server."`
	Projects projectsCmd `cmd:"" group:"Commands that use a server:" help:"List the projects of the server."`
	Status   statusCmd   `cmd:"" group:"Commands that use a server:" help:"Say where a project stands, or what waits for you in all of them."`
	Decide   decideCmd   `cmd:"" group:"Commands that use a server:" help:"Show what a gate asks of you, and approve, reject or reopen it."`
	Answer   answerCmd   `cmd:"" group:"Commands that use a server:" help:"List the open questions of a project, and answer one."`
	Logs     logsCmd     `cmd:"" group:"Commands that use a server:" help:"Show the journal of an agent's run, and follow it."`
	Clone    cloneCmd    `cmd:"" group:"Commands that use a server:" help:"Make a working copy of a project's repository."`
}

// env is what every command gets.
type env struct {
	ctx      context.Context
	term     Terminal
	settings app.Settings
	log      *slog.Logger
	ended    *result // how a run ended, the last line of --json
	json     bool    // an error is an object of JSON too
}

// exit ends a command with a code, after it has said why.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// Main runs one command and returns the exit code.
func Main(ctx context.Context, args []string, term Terminal) int {
	var cmd commands
	e := &env{ctx: ctx, term: term}
	err := execute(e, &cmd, args)
	code := ExitDone
	var said exit
	switch {
	case errors.As(err, &said):
		code = int(said)
	case err != nil:
		printError(term.Err, err)
		if e.json {
			e.emit(jsonError(err))
		}
		e.ended = &result{Status: "failed", Reason: fault.Public(err)}
		if code = ExitFailed; fault.KindOf(err) == fault.KindInvalid {
			code = ExitUsage
		}
	}
	if cmd.Run.JSON && e.ended != nil {
		e.ended.print(term.Out)
	}
	return code
}

// printError says what went wrong and what to do: with several details a
// headline and one line for each. The text of an internal error goes to the log
// only.
func printError(w io.Writer, err error) {
	var refused *client.Refusal
	if errors.As(err, &refused) {
		printRefusal(w, refused)
		return
	}
	f, ok := fault.As(err)
	if !ok || len(f.Details) < 2 {
		fmt.Fprintf(w, "layercake: %s\n", oneLine(fault.Public(err)))
		return
	}
	fmt.Fprintf(w, "layercake: %s\n", headline(f))
	for _, d := range f.Details {
		fmt.Fprintf(w, "  - %s\n", oneLine(joined(d.Message, d.Next)))
	}
}

// headline is the message of a fault without what its details say again.
func headline(f *fault.Error) string {
	text := f.Message
	for _, d := range f.Details {
		if at := strings.Index(text, d.Message); at >= 0 {
			text = text[:at]
		}
	}
	if text = strings.TrimRight(oneLine(text), " :;,"); text != "" {
		return text + ":"
	}
	return fmt.Sprintf("%d things are wrong:", len(f.Details))
}

// joined makes one text of a message and the next step, whatever the message
// ends with.
func joined(message, next string) string {
	message = strings.TrimSpace(message)
	if message != "" && !strings.ContainsRune(".?!…:", []rune(message)[len([]rune(message))-1]) {
		message += "."
	}
	return strings.TrimSpace(message + " " + next)
}

// execute reads the words and runs what they name. e is filled on the way.
func execute(e *env, cmd *commands, args []string) error {
	code := -1
	parser, err := kong.New(cmd, kong.Name("layercake"), kong.Writers(e.term.Out, e.term.Err), kong.Exit(func(c int) { code = c; panic(exit(c)) }),
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
		fmt.Fprintf(e.term.Err, "layercake: %s\n", usage(err))
		cmd.Run.JSON = wantsJSON(args)
		e.ended = &result{Status: "failed", Reason: usage(err)}
		return exit(ExitUsage)
	}
	if kctx.Command() == "version" {
		return kctx.Run(e) // it needs no settings
	}
	if e.settings, err = app.LoadSettings(); err != nil {
		return err
	}
	e.settings.Program = Version
	e.log = slog.New(slog.NewTextHandler(e.term.Err, &slog.HandlerOptions{Level: level(e.settings.LogLevel)}))
	if err := kctx.Run(e); err != nil {
		if e.ctx.Err() != nil && !errors.As(err, new(exit)) {
			return fault.Unavailable("interrupted", "Interrupted. Run the same command again.").Because(err)
		}
		if fault.KindOf(err) == fault.KindInternal && !errors.As(err, new(exit)) {
			e.log.ErrorContext(e.ctx, "command failed", "error", err)
		}
		return err
	}
	return nil
}

// wantsJSON reports whether words that the command line cannot read ask for a run
// with --json, whose last line is a result whatever happens.
func wantsJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return len(args) > 0 && args[0] == "run" && slices.Contains(args, "--json")
}

// usage is what to do about words that the command line cannot read.
func usage(err error) string {
	text := oneLine(err.Error())
	if strings.HasPrefix(text, "unexpected argument") {
		return text + ". Put an idea of several words in quotes: layercake run \"an idea\". `layercake --help` lists the commands."
	}
	return text + ". `layercake --help` lists the commands."
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
