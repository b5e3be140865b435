package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
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
	"sync"
	"time"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/project"
)

// drainTime is how long requests that are under way have to end when the server stops.
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
	handler, live, err := a.handler(ctx, l.Addr(), version)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if err := live.Start(); err != nil { //nolint:contextcheck // it ends by Close, after the requests
		return errors.Join(err, l.Close())
	}
	defer a.hangUp(ctx, live)
	secured, err := a.secured()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if err := errors.Join(a.adopt(ctx), a.Start(ctx)); err != nil {
		return errors.Join(err, l.Close())
	}
	// Requests outlive ctx for a while, and none outlives this function.
	var requests sync.WaitGroup
	working, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer a.await(ctx, &requests)
	defer giveUp()
	server := &http.Server{
		BaseContext: func(net.Listener) context.Context { return working },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			defer requests.Done()
			handler.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelInfo),
	}
	ended := make(chan error, 1)
	a.group.Go(func() {
		if secured != nil {
			server.TLSConfig = secured
			ended <- server.ServeTLS(l, "", "")
			return
		}
		ended <- server.Serve(l)
	})
	for {
		select {
		case err := <-ended:
			return errors.Join(fmt.Errorf("serve: %w", err), server.Close())
		case err := <-a.GivenUp: // one project's trouble is not the others'
			a.Log.ErrorContext(ctx, "work was given up", "error", err)
		case <-ctx.Done():
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
			defer cancel()
			err := server.Shutdown(stopping)
			if errors.Is(err, context.DeadlineExceeded) {
				a.Log.WarnContext(ctx, "requests that were under way did not end in time")
				err = server.Close()
			}
			return err
		}
	}
}

// await waits for requests that were cut off, but not for ever: what they do to the
// database and the repositories can be cut off anywhere.
func (a *App) await(ctx context.Context, requests *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		requests.Wait()
		close(done)
	}()
	limit := time.NewTimer(drainTime)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		a.Log.WarnContext(ctx, "requests that were cut off are left behind")
	}
}

// secured is how to serve over TLS, nil when the settings do not ask for it.
func (a *App) secured() (*tls.Config, error) {
	if a.Settings.TLSCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(a.Settings.TLSCert, a.Settings.TLSKey)
	if err != nil {
		return nil, fault.Invalid("tls.files", "TLS_CERT_FILE and TLS_KEY_FILE do not hold a certificate and its key. Look at %s and %s.", a.Settings.TLSCert, a.Settings.TLSKey).Because(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, nil
}

// adopt gives what was begun at the command line, while nothing was served, to the
// first administrator; before there is one, the first account takes it.
func (a *App) adopt(ctx context.Context) error {
	return a.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		home, err := account.FirstHome(ctx, tx)
		if err != nil || home == "" {
			return err
		}
		return project.Adopt(ctx, tx, home)
	})
}

// hangUp ends the live connections.
func (a *App) hangUp(ctx context.Context, live *api.Live) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := live.Close(ctx); err != nil {
		a.Log.WarnContext(ctx, "live connections were cut off", "error", err)
	}
}

func (a *App) handler(ctx context.Context, addr net.Addr, version string) (http.Handler, *api.Live, error) {
	if err := a.claimed(ctx, addr); err != nil {
		return nil, nil, err
	}
	key, err := a.accessKey()
	if err != nil {
		return nil, nil, err
	}
	tokens, err := account.NewTokens(key)
	if err != nil {
		return nil, nil, err
	}
	hasher, err := account.NewHasher(runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, nil, err
	}
	temp := filepath.Join(a.Settings.Data, "requests") // what a process before left there is nobody's
	if err := errors.Join(os.RemoveAll(temp), os.Mkdir(temp, 0o700)); err != nil {
		return nil, nil, fmt.Errorf("make folder for requests: %w", err)
	}
	live := &api.Live{DB: a.DB, Tokens: tokens, Bus: a.Bus, Log: a.Log}
	s := &api.Server{
		DB: a.DB, Flow: a.Flow, Repos: a.Repos, Blobs: a.Blobs, Hasher: hasher, Tokens: tokens, Log: a.Log, Local: loopback(addr), Temp: temp, Version: version,
		Live: live, Written: a.Engine.Written,
		Ready: func(ctx context.Context) map[string]error { return map[string]error{"database": a.DB.Ping(ctx)} },
	}
	return s.Handler(), live, nil
}

// claimed refuses to be reached from elsewhere while the first account, which
// administers the instance, can still be made by whoever comes first.
func (a *App) claimed(ctx context.Context, addr net.Addr) error {
	if loopback(addr) {
		return nil
	}
	return a.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		any, err := account.Any(ctx, tx)
		if err == nil && !any {
			err = fault.Forbidden("serve.unclaimed", "%s can be reached from other machines, and whoever makes the first account administers this instance. Make it first, while serving on 127.0.0.1.", addr)
		}
		return err
	})
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
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep access key: %w", err)
	}
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, fmt.Errorf("keep access key: %w", err)
	}
	return key, nil
}
