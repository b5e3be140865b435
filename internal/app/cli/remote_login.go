package cli

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/app/client"
	"github.com/layercake-app/layercake/internal/fault"
)

type loginCmd struct {
	jsonFlag

	URL           string `arg:"" optional:"" name:"url" help:"Address of the server, such as https://layercake.example.org; the last one when left out."`
	Email         string `help:"Your e-mail address; asked for when left out." placeholder:"ADDRESS"`
	PasswordStdin bool   `name:"password-stdin" help:"Read the password from standard input, to its end."`
	Register      bool   `help:"Make an account first, where the server allows that."`
	Name          string `help:"With --register: your name." placeholder:"NAME"`
	Insecure      bool   `help:"Send the password without encryption to another machine, where anybody on the way can read it."`
}

// Run begins a session, and keeps it for the commands that follow.
func (c *loginCmd) Run(e *env) error {
	e.json = c.JSON
	address, err := c.address(e)
	if err != nil {
		return err
	}
	file := e.settings.SessionFile()
	if file == "" {
		return noFolder()
	}
	remote := client.New(client.Options{Address: address, Version: Version})
	defer remote.Close()
	if err := remote.Probe(e.ctx); err != nil {
		return err
	}
	got, err := c.begin(e, remote)
	if err != nil {
		return err
	}
	s := client.Session{URL: address, Email: got.User.Email, Token: got.AccessToken, ExpiresAt: got.ExpiresAt.Time, Insecure: c.Insecure}
	if err := client.Save(file, s); err != nil {
		return err
	}
	if e.settings.Token != "" {
		e.note("LAYERCAKE_TOKEN is set and goes before this session: unset it to use this one.")
	}
	if c.JSON {
		e.emit(struct {
			URL       string       `json:"url"`
			User      account.User `json:"user"`
			ExpiresAt time.Time    `json:"expiresAt"`
			File      string       `json:"file"`
		}{address, got.User, s.ExpiresAt, file})
		return nil
	}
	e.say("Logged in to %s as %s (%s) until %s. The session is kept in %s; `layercake logout` ends it.",
		address, oneLine(got.User.Name), oneLine(got.User.Email), s.ExpiresAt.Local().Format("15:04"), file)
	return nil
}

// address settles which server is meant, and refuses to send it a password that
// others could read on the way.
func (c *loginCmd) address(e *env) (string, error) {
	text := c.URL
	if text == "" {
		text = e.settings.ServerURL
	}
	if text == "" && e.settings.SessionFile() != "" {
		if s, err := client.Load(e.settings.SessionFile()); err == nil {
			text = s.URL
		}
	}
	if text == "" {
		return "", fault.Invalid("server.address", "Say which server: layercake login URL, such as http://localhost:3000.")
	}
	address, err := client.Address(text)
	if err != nil {
		return "", err
	}
	if !client.Private(address) && !c.Insecure {
		return "", fault.Invalid("login.insecure", "%s would get your password without encryption, and anybody on the way could read it. Use its https:// address, or add --insecure if you know the network between.", address)
	}
	switch {
	case c.Name != "" && !c.Register:
		return "", fault.Invalid("login.name", "--name belongs to --register. Leave it out to log in to an account that is there.")
	case c.Register && c.Name == "" && (c.PasswordStdin || e.term.Secret == nil):
		return "", fault.Invalid("login.name", "--register needs your name. Add --name NAME.")
	case c.PasswordStdin && c.Email == "":
		return "", fault.Invalid("login.email", "--password-stdin leaves nobody to ask for the e-mail address. Add --email ADDRESS.")
	case !c.PasswordStdin && e.term.Secret == nil:
		return "", fault.Invalid("login.terminal", "There is no terminal to ask for the password at. Hand it in with --password-stdin and --email ADDRESS.")
	case !c.PasswordStdin && c.JSON && c.Email == "":
		return "", fault.Invalid("login.email", "With --json nobody is asked for the e-mail address. Add --email ADDRESS.")
	}
	return address, nil
}

// begin asks for what is missing, and logs in.
func (c *loginCmd) begin(e *env, remote *client.Client) (out api.Access, err error) {
	for _, field := range []struct {
		text  *string
		asked bool
		words string
	}{{&c.Email, true, "E-mail:"}, {&c.Name, c.Register, "Name:"}} {
		if field.asked && *field.text == "" {
			if *field.text, err = e.prompt(field.words); err != nil {
				return out, err
			}
		}
	}
	if c.Email == "" {
		return out, fault.Invalid("login.email", "Without an e-mail address nobody can be logged in. Run the command again.")
	}
	password, err := c.password(e)
	if err != nil {
		return out, err
	}
	if c.Register {
		return remote.Register(e.ctx, c.Email, password, c.Name)
	}
	return remote.Login(e.ctx, c.Email, password)
}

// maxPassword is far more than a password may have, in bytes.
const maxPassword = 4096

func (c *loginCmd) password(e *env) (string, error) {
	if c.PasswordStdin {
		data, err := io.ReadAll(io.LimitReader(e.term.In, maxPassword+1))
		if err != nil {
			return "", fault.Invalid("login.password", "The password cannot be read from standard input. Look what is connected to it.").Because(err)
		}
		text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
		if text == "" || len(text) > maxPassword || strings.ContainsAny(text, "\r\n") {
			return "", fault.Invalid("login.password", "Standard input holds no password of one line. Write it there and nothing else.")
		}
		return text, nil
	}
	password, err := e.hidden("Password:")
	if err != nil || !c.Register {
		return password, err
	}
	second, err := e.hidden("The same again:")
	if err == nil && second != password {
		err = fault.Invalid("login.password", "The two passwords differ, so no account was made. Run the command again.")
	}
	return password, err
}

// hidden asks for a line that the screen does not show.
func (e *env) hidden(words string) (string, error) {
	_, _ = io.WriteString(e.term.Err, words+" ") // a person sees it or does not
	text, err := e.term.Secret(e.ctx)
	_, _ = io.WriteString(e.term.Err, "\n")
	if errors.Is(err, io.EOF) {
		return "", fault.Invalid("login.password", "No password was typed. Run the command again.")
	}
	return text, err
}

type logoutCmd struct {
	jsonFlag
}

// Run ends the session on the server, and forgets it here in any case.
func (c *logoutCmd) Run(e *env) error {
	e.json = c.JSON
	s, _, err := e.session()
	if fault.CodeOf(err) == "session.none" {
		return c.done(e, "", "You are not logged in.")
	}
	file := e.settings.SessionFile()
	if err != nil {
		if file != "" && e.settings.Token == "" && fault.CodeOf(err) == "session.file" {
			err = errors.Join(err, client.Forget(file))
		}
		return err
	}
	remote, err := e.remote()
	if err != nil {
		return err
	}
	defer remote.Close()
	err = remote.Logout(e.ctx)
	if e.settings.Token == "" {
		if gone := client.Forget(file); gone != nil {
			return gone
		}
	}
	var r *client.Refusal
	switch {
	case err == nil:
		return c.done(e, s.URL, "You are logged out of "+s.URL+".")
	case errors.As(err, &r) && r.Status == http.StatusUnauthorized:
		return c.done(e, s.URL, "Your session at "+s.URL+" had ended before.")
	}
	if e.settings.Token == "" {
		e.note("The session is forgotten here, but the server was not told; it ends there by itself at %s.", s.ExpiresAt.Local().Format("15:04"))
	}
	return err
}

func (c *logoutCmd) done(e *env, url, text string) error {
	if c.JSON {
		e.emit(struct {
			URL       string `json:"url"`
			LoggedOut bool   `json:"loggedOut"`
		}{url, true})
		return nil
	}
	e.say("%s", text)
	return nil
}
