package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/fault"
)

// drain is how long requests that are under way have to end when the server stops.
const drainTime = 10 * time.Second

// Listen takes an address, such as 127.0.0.1:3000, for a server.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fault.Unavailable("serve.address", "The address %s cannot be used: another program may have it, or it is none of this machine. Name another one with --addr.", addr).Because(err)
	}
	return l, nil
}

// Serve works and answers on l until ctx ends; then it lets requests and turns
// that are under way come to their end. Close comes after it.
func (a *App) Serve(ctx context.Context, l net.Listener, version string) error {
	handler, err := a.handler(l.Addr(), version)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if err := a.Start(ctx); err != nil {
		return errors.Join(err, l.Close())
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelInfo),
	}
	ended := make(chan error, 1)
	a.group.Go(func() { ended <- server.Serve(l) })
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("serve: %w", err)
		case err := <-a.GivenUp: // one project's trouble is not the others'
			a.Log.ErrorContext(ctx, "work was given up", "error", err)
		case <-ctx.Done():
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
			defer cancel()
			err := server.Shutdown(stopping)
			if errors.Is(err, context.DeadlineExceeded) {
				err = server.Close()
			}
			return err
		}
	}
}

func (a *App) handler(addr net.Addr, version string) (http.Handler, error) {
	key, err := a.accessKey()
	if err != nil {
		return nil, err
	}
	tokens, err := account.NewTokens(key)
	if err != nil {
		return nil, err
	}
	hasher, err := account.NewHasher(runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	temp := filepath.Join(a.Settings.Data, "requests") // what a process before left there is nobody's
	if err := errors.Join(os.RemoveAll(temp), os.Mkdir(temp, 0o700)); err != nil {
		return nil, fmt.Errorf("make folder for requests: %w", err)
	}
	s := &api.Server{
		DB: a.DB, Flow: a.Flow, Repos: a.Repos, Blobs: a.Blobs, Hasher: hasher, Tokens: tokens, Log: a.Log, Open: loopback(addr), Temp: temp, Version: version,
		Ready: func(ctx context.Context) map[string]error { return map[string]error{"database": a.DB.Ping(ctx)} },
	}
	return s.Handler(), nil
}

// loopback reports whether only this machine reaches addr.
func loopback(addr net.Addr) bool {
	t, ok := addr.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// accessKey is the key that signs access tokens: JWT_SECRET, or one that is made
// once and kept in the data folder.
func (a *App) accessKey() ([]byte, error) {
	if key := a.Settings.JWTSecret.Reveal(); key != "" {
		return []byte(key), nil
	}
	path := filepath.Join(a.Settings.Data, "access.key")
	if key, err := os.ReadFile(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, fmt.Errorf("read access key: %w", err)
		}
		return key, nil
	}
	random := make([]byte, account.MinKey)
	_, _ = rand.Read(random) // it never fails
	key := []byte(hex.EncodeToString(random))
	temp := path + ".new"
	if err := errors.Join(os.WriteFile(temp, key, 0o600), os.Rename(temp, path)); err != nil {
		return nil, fmt.Errorf("keep access key: %w", err)
	}
	return key, nil
}
