//go:build linux

package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
)

func start(ctx context.Context, t *testing.T, args ...string) *Service {
	t.Helper()
	spec := ServiceSpec{Spec: asHelper(t, append([]string{"serve"}, args...)...), Port: 8080}
	v, err := open(t).Start(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Stop)
	return v
}

func ready(t *testing.T, v *Service) {
	t.Helper()
	if err := v.Ready(t.Context(), "/", 2*time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, v.Logs())
	}
}

type answer struct {
	status         int
	location, body string
}

func get(t *testing.T, v *Service, url string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := v.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64*mib))
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header.Get("Location"), string(b)}
}

func TestService(t *testing.T) {
	t.Parallel()
	m := marker(t)
	v := start(t.Context(), t, "daemon", m)
	ready(t, v)
	if a := get(t, v, "http://anything.example/x"); a.body != "hello /x from anything.example" {
		t.Errorf("got %+v", a)
	}
	if a := get(t, v, "http://app/away"); a.status != http.StatusFound || a.location != "http://example.com/" {
		t.Errorf("redirect: %+v", a)
	}
	if a := get(t, v, "http://app/bytes?n=20000000"); len(a.body) != 20_000_000 {
		t.Errorf("got %d bytes", len(a.body))
	}
	if err := v.Ready(t.Context(), "/slow-start", 2*time.Minute); err != nil {
		t.Error(err)
	}
	wantFault(t, v.Ready(t.Context(), "/broken", 50*time.Millisecond), fault.KindUnavailable, "sandbox.app_silent")
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			path := fmt.Sprintf("/n%d", i)
			if a := get(t, v, "http://app"+path); a.body != "hello "+path+" from app" {
				t.Errorf("got %+v", a)
			}
		})
	}
	all.Wait()
	if !strings.Contains(v.Logs(), "app: starting 8080") {
		t.Errorf("log: %q", v.Logs())
	}
	if v.ExitCode() != -1 {
		t.Errorf("exit code %d while running", v.ExitCode())
	}
	if n := len(alive(m)); n < 2 {
		t.Errorf("%d processes alive while running", n)
	}
	v.Stop()
	v.Stop()
	if left := alive(m); len(left) > 0 {
		t.Errorf("alive after Stop: %q", left)
	}
	_, err := v.Dial(t.Context())
	wantFault(t, err, fault.KindUnavailable, "sandbox.service")
	wantFault(t, v.Ready(t.Context(), "/", time.Second), fault.KindUnavailable, "sandbox.app_ended")
}

// TestServiceDial speaks HTTP by hand and closes its side first.
func TestServiceDial(t *testing.T) {
	t.Parallel()
	v := start(t.Context(), t)
	ready(t, v)
	c, err := v.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer shut(c)
	if _, err := io.WriteString(c, "GET /raw HTTP/1.0\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		t.Fatalf("a %T cannot be closed on one side", c)
	}
	must(t, half.CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "hello /raw from h" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestServiceEnds(t *testing.T) {
	t.Parallel()
	open(t)
	t.Run("crash", func(t *testing.T) {
		t.Parallel()
		v := start(t.Context(), t, "crash")
		err := v.Ready(t.Context(), "/", 2*time.Minute)
		wantFault(t, err, fault.KindUnavailable, "sandbox.app_ended")
		if !strings.Contains(fault.Public(err), "exit code 7") || v.ExitCode() != 7 || !strings.Contains(v.Logs(), "cannot open database") {
			t.Errorf("%v, %d, %q", err, v.ExitCode(), v.Logs())
		}
		r, err := v.Wait(t.Context())
		if err != nil || r.ExitCode != 7 || r.Isolation.Kind != KindBubblewrap {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("missing program", func(t *testing.T) {
		t.Parallel()
		v, err := open(t).Start(t.Context(), ServiceSpec{Spec: Spec{Argv: []string{"no-such-program"}}, Port: 80})
		if err != nil {
			t.Fatal(err)
		}
		<-v.Done()
		if v.ExitCode() != 127 || !strings.Contains(v.Logs(), "no-such-program") {
			t.Errorf("%d, %q", v.ExitCode(), v.Logs())
		}
	})
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		v := start(t.Context(), t, "silent")
		wantFault(t, v.Ready(t.Context(), "/", 200*time.Millisecond), fault.KindUnavailable, "sandbox.app_silent")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := v.Ready(ctx, "/", time.Minute); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if _, err := v.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("relay killed", func(t *testing.T) {
		t.Parallel()
		v := start(t.Context(), t, "kill-relay")
		<-v.Done()
		if v.ExitCode() != 137 {
			t.Errorf("exit code %d", v.ExitCode())
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		m := marker(t)
		ctx, cancel := context.WithCancel(t.Context())
		v := start(ctx, t, "daemon", m)
		ready(t, v)
		cancel()
		<-v.Done()
		if left := alive(m); len(left) > 0 || v.ExitCode() != 137 {
			t.Errorf("exit code %d, alive: %q", v.ExitCode(), left)
		}
	})
	t.Run("time limit", func(t *testing.T) {
		t.Parallel()
		spec := ServiceSpec{Spec: asHelper(t, "serve", "silent"), Port: 80}
		spec.Limits.Time = 100 * time.Millisecond
		v, err := open(t).Start(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := v.Wait(t.Context()); err != nil || !r.TimedOut {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("wrong port", func(t *testing.T) {
		t.Parallel()
		_, err := open(t).Start(t.Context(), ServiceSpec{Spec: shell("true"), Port: 0})
		wantFault(t, err, fault.KindInvalid, "sandbox.port")
	})
}

func TestServiceStop(t *testing.T) {
	t.Parallel()
	open(t)
	t.Run("polite", func(t *testing.T) {
		t.Parallel()
		v := start(t.Context(), t, "polite")
		ready(t, v)
		begin := time.Now()
		v.Stop()
		if late := time.Since(begin) > stopGrace; v.ExitCode() != 0 && !late || !strings.Contains(v.Logs(), "good bye") {
			t.Errorf("exit code %d, %q", v.ExitCode(), v.Logs())
		}
	})
	t.Run("stubborn", func(t *testing.T) {
		t.Parallel()
		v := start(t.Context(), t, "stubborn")
		ready(t, v)
		begin := time.Now()
		v.Stop()
		if took := time.Since(begin); took > 2*time.Minute || v.ExitCode() != 137 {
			t.Errorf("took %s, exit code %d", took, v.ExitCode())
		}
	})
	t.Run("while a request hangs", func(t *testing.T) {
		t.Parallel()
		v := start(t.Context(), t)
		ready(t, v)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://app/hang", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := v.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		v.Stop()
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("the answer ended as if it were whole")
		}
	})
}

func TestServiceLogsAreBounded(t *testing.T) {
	t.Parallel()
	v := start(t.Context(), t, "chatter")
	ready(t, v)
	log := v.Logs()
	if len(log) > logBytes || !strings.Contains(log, "line 199999\n") || strings.Contains(log, "line 0\n") {
		t.Errorf("%d bytes, ends in %q", len(log), log[max(0, len(log)-80):])
	}
}
