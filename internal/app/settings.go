package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/sandbox"
	"github.com/layercake-app/layercake/internal/secret"
)

// Settings is every setting there is, read once from the environment. All of
// them may be left out.
type Settings struct {
	Data        string        `env:"LAYERCAKE_DATA" help:"Folder that holds everything LayerCake keeps."`
	Cache       string        `env:"LAYERCAKE_CACHE" help:"Folder for the compiled standard library, shared by all data folders; layercake below your cache folder when left out."`
	DatabaseURL secret.Text   `env:"DATABASE_URL" help:"postgres://… to use PostgreSQL instead of the SQLite file in the data folder."`
	JWTSecret   secret.Text   `env:"JWT_SECRET" help:"Key of at least 32 characters that signs the access tokens of the server; one is made and kept in the data folder when left out."`
	Passphrase  secret.Text   `env:"LAYERCAKE_BACKUP_PASSPHRASE" help:"Passphrase of at least 12 characters that seals the keys in a backup; asked at the terminal when left out."`
	TLSCert     string        `env:"TLS_CERT_FILE" help:"Certificate with its chain (PEM), to serve over TLS; TLS_KEY_FILE goes with it."`
	TLSKey      string        `env:"TLS_KEY_FILE" help:"Private key of the certificate (PEM)."`
	ServerURL   string        `env:"LAYERCAKE_URL" help:"Address of a server for the commands that use one, such as projects and decide; the one you logged in to when left out."`
	Token       secret.Text   `env:"LAYERCAKE_TOKEN" help:"Access token for LAYERCAKE_URL, in place of layercake login; for scripts."`
	Sandbox     string        `env:"SANDBOX" help:"bubblewrap, none, or empty for the best that this machine has."`
	DemoScript  string        `env:"LAYERCAKE_DEMO_SCRIPT" help:"Lets the demo model misbehave in a named way, for tests and demonstrations."`
	DemoDelay   time.Duration `env:"LAYERCAKE_DEMO_DELAY" help:"Pause between two pieces of the demo model's text, for demonstrations."`
	DemoCalls   string        `env:"LAYERCAKE_DEMO_CALLS" help:"File to which the demo model appends the key of each completed call, for crash tests."`
	LogLevel    string        `env:"LAYERCAKE_LOG_LEVEL" envDefault:"warn" help:"debug, info, warn or error."`
	Path        string        `env:"PATH" help:"Where programs are looked for."`
	Home        string        `env:"HOME" help:"Your home folder."`
	DataHome    string        `env:"XDG_DATA_HOME" help:"Where programs keep their data; the default data folder is layercake below it."`
	CacheHome   string        `env:"XDG_CACHE_HOME" help:"Where programs keep what they can make again."`
	ConfigHome  string        `env:"XDG_CONFIG_HOME" help:"Where programs keep their configuration; layercake login keeps your session in layercake below it."`
	NoColor     string        `env:"NO_COLOR" help:"Set to anything to have no colours."`
	Term        string        `env:"TERM" help:"Kind of terminal."`

	// Program is the version of this program, which no variable names.
	Program string
}

// LoadSettings reads the settings and reports everything that is wrong with
// them at once.
func LoadSettings() (Settings, error) {
	var s Settings
	if err := env.Parse(&s); err != nil {
		return s, settingsFault(&s, err)
	}
	var details []fault.Detail
	switch s.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		details = append(details, fault.Detail{Field: "LAYERCAKE_LOG_LEVEL", Message: fmt.Sprintf("LAYERCAKE_LOG_LEVEL is %q", s.LogLevel), Next: "Use debug, info, warn or error."})
	}
	switch s.Sandbox {
	case "", sandbox.KindBubblewrap, sandbox.KindNone:
	default:
		details = append(details, fault.Detail{Field: "SANDBOX", Message: fmt.Sprintf("SANDBOX is %q", s.Sandbox), Next: "Use bubblewrap, none, or leave it out."})
	}
	if url := s.DatabaseURL.Reveal(); url != "" && !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		details = append(details, fault.Detail{Field: "DATABASE_URL", Message: "DATABASE_URL is no PostgreSQL address", Next: "Write it as postgres://user:password@host:5432/database."})
	}
	if n := len(s.JWTSecret.Reveal()); n > 0 && n < account.MinKey {
		details = append(details, fault.Detail{Field: "JWT_SECRET", Message: fmt.Sprintf("JWT_SECRET has %d characters, fewer than %d", n, account.MinKey), Next: "Choose a longer one, or leave it out."})
	}
	if n := len(s.Passphrase.Reveal()); n > 0 && n < secret.MinPassphrase {
		details = append(details, fault.Detail{Field: "LAYERCAKE_BACKUP_PASSPHRASE", Message: fmt.Sprintf("LAYERCAKE_BACKUP_PASSPHRASE has %d characters, fewer than %d", n, secret.MinPassphrase), Next: "Choose a longer one, or leave it out."})
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		details = append(details, fault.Detail{Field: "TLS_CERT_FILE", Message: "only one of TLS_CERT_FILE and TLS_KEY_FILE is set", Next: "Set both, or neither."})
	}
	if len(details) > 0 {
		return s, settingsError(details)
	}
	if s.Data == "" {
		s.Data = s.defaultData()
	}
	if s.Cache == "" {
		s.Cache = s.defaultCache()
	}
	return s, nil
}

func (s Settings) defaultData() string {
	switch {
	case s.DataHome != "":
		return filepath.Join(s.DataHome, "layercake")
	case s.Home != "":
		return filepath.Join(s.Home, ".local", "share", "layercake")
	}
	return ".layercake-data"
}

func (s Settings) defaultCache() string {
	switch {
	case s.CacheHome != "":
		return filepath.Join(s.CacheHome, "layercake")
	case s.Home != "":
		return filepath.Join(s.Home, ".cache", "layercake")
	}
	return filepath.Join(s.Data, "cache", "go")
}

// SessionFile is where the session of layercake login is kept, empty when there is
// no home folder. A relative XDG_CONFIG_HOME does not count, as its specification
// asks: a session does not belong where somebody happens to work.
func (s Settings) SessionFile() string {
	switch {
	case filepath.IsAbs(s.ConfigHome):
		return filepath.Join(s.ConfigHome, "layercake", "session.json")
	case filepath.IsAbs(s.Home):
		return filepath.Join(s.Home, ".config", "layercake", "session.json")
	}
	return ""
}

func settingsError(details []fault.Detail) error {
	var lines []string
	for _, d := range details {
		lines = append(lines, d.Message+". "+d.Next)
	}
	return fault.Invalid("settings.invalid", "%s", strings.Join(lines, "\n")).WithDetails(details...)
}

// settingsFault names the variable of each field that could not be read. The
// value is left out: it may be a secret.
func settingsFault(s *Settings, err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return fmt.Errorf("read settings: %w", err)
	}
	params, perr := env.GetFieldParams(s)
	if perr != nil {
		return fmt.Errorf("read settings: %w", errors.Join(err, perr))
	}
	var details []fault.Detail
	for _, e := range all.Errors {
		var parse env.ParseError
		if !errors.As(e, &parse) {
			return fmt.Errorf("read settings: %w", e)
		}
		name := variableOf(params, parse.Name)
		details = append(details, fault.Detail{Field: name, Message: name + " cannot be read as " + parse.Type.String(), Next: example(parse.Type.String())})
	}
	return settingsError(details)
}

func variableOf(params []env.FieldParams, field string) string {
	for i, name := range fieldNames() {
		if name == field && i < len(params) {
			return params[i].Key
		}
	}
	return field
}

func example(typ string) string {
	if typ == "time.Duration" {
		return "Write for example 50ms or 2s."
	}
	return "Look at `layercake config`."
}

// Setting is one line of `layercake config`.
type Setting struct {
	Name  string
	Value string // secrets masked
	Set   bool
	Help  string
}

// Print lists the settings with their values, secrets masked.
func (s Settings) Print() []Setting {
	var out []Setting
	fields(&s, func(name, value, help string) {
		_, set := os.LookupEnv(name)
		out = append(out, Setting{Name: name, Value: value, Set: set, Help: help})
	})
	sort.SliceStable(out, func(i, j int) bool {
		return strings.HasPrefix(out[i].Name, "LAYERCAKE") && !strings.HasPrefix(out[j].Name, "LAYERCAKE")
	})
	return out
}
