package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

// Session is where a person is logged in, as it is kept between two commands.
// Token is the secret itself, because it is written to a file.
type Session struct {
	URL       string    `json:"url"`
	Email     string    `json:"email"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
	Insecure  bool      `json:"insecure,omitempty"` // the person said --insecure
}

// Load reads the session at path. When there is none, it is a fault of kind not
// found.
func Load(path string) (s Session, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, fault.NotFound("session.none", "You are not logged in to a server. Log in with: layercake login URL")
	}
	if err != nil {
		return s, fault.Unavailable("session.file", "The session in %s cannot be read. Look at its permissions.", path).Because(err)
	}
	if err := json.Unmarshal(data, &s); err != nil || s.URL == "" || s.Token == "" {
		return s, fault.Unavailable("session.file", "%s holds no session. Log in again with: layercake login URL", path).Because(err)
	}
	return s, nil
}

// Save keeps a session at path, for nobody else to read: at no moment is there a
// part of it, or one that others may read.
func Save(path string, s Session) (err error) {
	unusable := func(err error) error {
		return fault.Unavailable("session.file", "The session cannot be kept in %s. Give yourself the permission to write there, or name another folder in XDG_CONFIG_HOME.", filepath.Dir(path)).Because(err)
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	dir := filepath.Dir(path)
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o700)); err != nil {
		return unusable(err)
	}
	f, err := os.CreateTemp(dir, "session-") // mode 0600
	if err != nil {
		return unusable(err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return unusable(errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Forget removes the session at path. It may be repeated.
func Forget(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Unavailable("session.file", "The session in %s cannot be removed. Look at the permissions of its folder.", path).Because(err)
	}
	return nil
}
