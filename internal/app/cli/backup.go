package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/backup"
	"github.com/layercake-app/layercake/internal/bundle"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/secret"
)

type backupCmd struct {
	File string `arg:"" help:"The file to write, such as layercake.backup. Nothing is written over." type:"path"`
	Data string `help:"Data folder." placeholder:"DIR"`
}

// Run backs up an instance, which may be at work.
func (c *backupCmd) Run(e *env) error {
	if c.Data != "" {
		e.settings.Data = c.Data
	}
	if !app.HasDatabase(e.settings) {
		return noDatabase(e.settings)
	}
	if err := e.askPassphrase("Passphrase that seals the keys (Enter leaves them out):", true); err != nil {
		return err
	}
	sum, err := app.Backup(e.ctx, e.settings, c.File)
	if err != nil {
		return err
	}
	e.damagedFiles(sum)
	if !sum.Keys && e.settings.Passphrase == "" {
		fmt.Fprintln(e.term.Out, "The keys are left out, because there is no passphrase to seal them with (LAYERCAKE_BACKUP_PASSPHRASE): after a restore people log in again.")
	}
	fmt.Fprintf(e.term.Out, "Backed up to %s: %s.\n", c.File, inventory(sum))
	return nil
}

type restoreCmd struct {
	File     string `arg:"" help:"A backup." type:"path"`
	Data     string `help:"Data folder: missing or empty." placeholder:"DIR"`
	NoVerify bool   `help:"Do not check the evidence afterwards."`
}

// Run restores an instance and checks its evidence.
func (c *restoreCmd) Run(e *env) error {
	if c.Data != "" {
		e.settings.Data = c.Data
	}
	if err := e.askPassphrase("Passphrase of the keys (Enter leaves them out):", false); err != nil {
		return err
	}
	sum, err := app.Restore(e.ctx, e.settings, c.File, e.log)
	if err != nil {
		return err
	}
	e.damagedFiles(sum)
	if !sum.Keys {
		fmt.Fprintln(e.term.Out, "No keys were restored: the backup has none, or there is no passphrase for them (LAYERCAKE_BACKUP_PASSPHRASE). People log in again.")
	}
	fmt.Fprintf(e.term.Out, "Restored to %s, as it was at %s in LayerCake %s: %s.\n", e.settings.Data, sum.At.Format("2006-01-02 15:04:05 UTC"), oneLine(sum.Program), inventory(sum))
	switch {
	case c.NoVerify:
		return nil
	case app.Outdated(sum):
		fmt.Fprintln(e.term.Out, "It is of an earlier version: the next start brings the database to this one's. Run `layercake verify` on the data folder then.")
		return nil
	}
	report, err := app.Verify(e.ctx, e.settings)
	switch {
	case err != nil && e.ctx.Err() == nil && bundle.Broken(err):
		fmt.Fprintf(e.term.Out, "BROKEN  %s\nWhat is restored is what was backed up, byte for byte: its evidence was broken before.\n", oneLine(fault.Public(err)))
		return exit(ExitFailed)
	case err != nil:
		return fmt.Errorf("verify what was restored: %w", err)
	}
	fmt.Fprintf(e.term.Out, "Verified: %d claims hold.\n", len(report.Claims))
	return nil
}

func (e *env) damagedFiles(sum backup.Summary) {
	if n := len(sum.Damaged); n > 0 {
		fmt.Fprintf(e.term.Err, "layercake: %s not what its name says, such as %s; `layercake verify` names what it proves.\n", count(int64(n), "stored file is", "stored files are"), sum.Damaged[0])
	}
}

func count(n int64, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// inventory is what a backup holds, for people.
func inventory(sum backup.Summary) string {
	kind := "SQLite"
	if sum.Database == db.Postgres {
		kind = "PostgreSQL"
	}
	keys := "without keys"
	if sum.Keys {
		keys = "with keys"
	}
	text := fmt.Sprintf("%s with %s, %s and %s; %s, %s, %s; %.1f MB", kind, count(sum.Projects, "project", "projects"), count(sum.Users, "account", "accounts"),
		count(sum.Events, "event", "events"), count(int64(sum.Repositories), "repository", "repositories"), count(int64(sum.Blobs), "stored file", "stored files"), keys, float64(sum.Bytes)/1e6)
	if sum.Size > 0 {
		text += fmt.Sprintf(", packed %.1f MB", float64(sum.Size)/1e6)
	}
	return text
}

// askPassphrase asks for a passphrase where the settings name none and a person
// sits at the terminal, twice when it is a new one.
func (e *env) askPassphrase(prompt string, twice bool) error {
	if e.settings.Passphrase != "" || !e.term.Interactive {
		return nil
	}
	read := e.lines()
	first, err := read(prompt)
	if err != nil || first == "" {
		return err
	}
	if twice {
		if len(first) < secret.MinPassphrase {
			return fault.Invalid("backup.passphrase", "The passphrase has fewer than %d characters. Choose a longer one; a few words are fine.", secret.MinPassphrase)
		}
		again, err := read("The same again:")
		if err != nil {
			return err
		}
		if again != first {
			return fault.Invalid("backup.passphrase", "The two passphrases differ. Run the command again.")
		}
	}
	e.settings.Passphrase = secret.Text(first)
	return nil
}

// lines returns what asks for lines that a terminal does not show.
func (e *env) lines() func(prompt string) (string, error) {
	if e.term.Secret != nil {
		return e.hidden
	}
	lines := bufio.NewReader(e.term.In)
	return func(prompt string) (string, error) {
		fmt.Fprint(e.term.Out, prompt+" ")
		line, err := lines.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read passphrase: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
}
