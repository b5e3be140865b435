package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/app/client"
	"github.com/layercake-app/layercake/internal/fault"
)

func good(data string) string {
	return `{"success":true,"data":` + data + `,"meta":{"requestId":"req_1"}}`
}

func bad(code, message, more string) string {
	return `{"success":false,"error":{"code":"` + code + `","message":"` + message + `"` + more + `},"meta":{"requestId":"req_1"}}`
}

// serve is a server that says what the test says.
func serve(t *testing.T, fn http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(fn)
	t.Cleanup(s.Close)
	c := client.New(client.Options{Address: s.URL, Token: "hunter2", Again: "Log in again.", Version: "test"})
	t.Cleanup(c.Close)
	return c
}

// Whatever a server answers is a sentence with the next step, of a kind that fits,
// and names the request; it never has the token in it.
func TestAnswersAreSentences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		status  int
		header  string
		body    string
		kind    fault.Kind
		says    string
		request bool
		passing bool
	}{
		{"expired", 401, "", bad("auth.expired", "x", ""), fault.KindUnauthenticated, "Log in again.", true, false},
		{"forbidden", 403, "", bad("a.b", "You may not.", ""), fault.KindForbidden, "You may not.", true, false},
		{"not there", 404, "", bad("a.b", "There is none.", ""), fault.KindNotFound, "There is none.", true, false},
		{"conflict", 409, "", bad("gate.unmet", "Not yet.", `,"details":[{"message":"m","next":"n"}]`), fault.KindConflict, "Not yet.", true, false},
		{"a lost race", 412, "", bad("gate.changed", "Look again.", `,"current":{"code":"G1"}`), fault.KindConflict, "Look again.", true, false},
		{"patience", 429, "Retry-After: 7", bad("a.b", "Too often.", ""), fault.KindRateLimited, "Too often. Try again in 7s.", true, true},
		{"its own fault", 500, "", bad("internal", "inner life", ""), fault.KindUnavailable, "Something went wrong inside the server", true, false},
		{"busy", 503, "", bad("export.busy", "Try again in a moment.", ""), fault.KindUnavailable, "Try again in a moment.", true, true},
		{"full", 507, "", bad("repo.full", "No room.", ""), fault.KindFull, "No room.", true, false},
		{"a page", 200, "", "<html>It works</html>", fault.KindUnavailable, "not as a LayerCake server does", false, false},
		{"other JSON", 200, "", `{"ok":true}`, fault.KindUnavailable, "not as a LayerCake server does", false, false},
		{"a proxy", 502, "", "<html>Bad Gateway</html>", fault.KindUnavailable, "what stands before the server", false, true},
		{"encryption", 400, "", "Client sent an HTTP request to an HTTPS server.\n", fault.KindUnavailable, "Use https://", false, false},
		{"elsewhere", 307, "Location: https://evil.example.org/api/v1/projects", "", fault.KindUnavailable, "layercake login https://evil.example.org", false, false},
		{"another version", 200, "", good(`[{"id":7}]`), fault.KindUnavailable, "Use the same version", false, false},
		{"without words", 418, "", bad("a.b", "", ""), fault.KindConflict, "does not say why", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			remote := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if name, value, ok := strings.Cut(c.header, ": "); ok {
					w.Header().Set(name, value)
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			_, err := remote.Projects(t.Context(), "", false)
			if fault.KindOf(err) != c.kind || !strings.Contains(fault.Public(err), c.says) || strings.Contains(err.Error(), "hunter2") || strings.Contains(fault.Public(err), "inner") {
				t.Fatalf("%s: %v", fault.KindOf(err), err)
			}
			var r *client.Refusal
			if named := errors.As(err, &r) && r.Request == "req_1"; named != c.request {
				t.Errorf("the request is named: %t", named)
			}
			if after, ok := client.Passing(err); ok != c.passing || c.header == "Retry-After: 7" && after != 7*time.Second {
				t.Errorf("it passes: %t, after %s", ok, after)
			}
			if f, _ := fault.As(err); c.status == 409 && (len(f.Details) != 1 || f.Details[0].Next != "n") {
				t.Errorf("details are %+v", f.Details)
			}
		})
	}
}

// What is not there, or breaks off, is a sentence too, and passes.
func TestNoAnswerIsASentence(t *testing.T) {
	t.Parallel()
	cut := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"success":`))
		panic(http.ErrAbortHandler)
	})
	gone := httptest.NewServer(nil)
	gone.Close()
	secured := httptest.NewTLSServer(nil)
	defer secured.Close()
	secured.Config.ErrorLog = nil
	for _, c := range []struct {
		remote     *client.Client
		says, code string
		passing    bool
	}{
		{cut, "broke off", "server.cut_off", true},
		{client.New(client.Options{Address: gone.URL}), "Nothing answers at " + gone.URL, "server.unreachable", true},
		{client.New(client.Options{Address: "http://nowhere.invalid"}), "nowhere.invalid", "server.unreachable", true},
		{client.New(client.Options{Address: secured.URL}), "is not trusted here", "server.certificate", false},
		{client.New(client.Options{Address: "https" + strings.TrimPrefix(cut.Address, "http")}), "Use http://", "server.tls", false},
	} {
		_, err := c.remote.Inbox(t.Context())
		if _, passing := client.Passing(err); fault.CodeOf(err) != c.code || !strings.Contains(fault.Public(err), c.says) || passing != c.passing {
			t.Errorf("%s: %v", c.says, err)
		}
	}
}

// A decision whose answer was lost is sent again under the same key, with what was
// seen; a look carries no key.
func TestDecisionsAreSentOnce(t *testing.T) {
	t.Parallel()
	var keys []string
	remote := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Match") != `"3.abc"` || r.Header.Get("Authorization") != "Bearer hunter2" {
			t.Errorf("the headers are %v", r.Header)
		}
		if keys = append(keys, r.Header.Get("Idempotency-Key")); len(keys) == 1 {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, good(`{"code":"G1","status":"APPROVED"}`))
	})
	g, err := remote.Decide(t.Context(), "gat_1", `"3.abc"`, client.Decision{Decision: "approve"})
	if err != nil || g.Status != "APPROVED" || len(keys) != 2 || keys[0] == "" || keys[0] != keys[1] {
		t.Errorf("%+v, %v, keys %q", g, err, keys)
	}
}

// Lists are read to their end, and end though a server does not let them.
func TestListsEnd(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	remote := serve(t, func(w http.ResponseWriter, r *http.Request) {
		next := map[string]string{"": "a", "a": "b"}[r.URL.Query().Get("cursor")]
		if asked.Add(1) > 3 {
			next = r.URL.Query().Get("cursor")
		}
		fmt.Fprintf(w, `{"success":true,"data":[{"id":"w%d"}],"meta":{"nextCursor":%q}}`, asked.Load(), next)
	})
	if all, err := remote.Inbox(t.Context()); err != nil || len(all) != 3 || all[2].ID != "w3" {
		t.Errorf("%+v %v", all, err)
	}
	if all, err := remote.Inbox(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%+v %v", all, err)
	}
}

// No answer is read without a bound, and half of a file is none.
func TestBounds(t *testing.T) {
	t.Parallel()
	large := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		block := bytes.Repeat([]byte(" "), 1<<20)
		for range 65 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	if _, err := large.Inbox(t.Context()); fault.KindOf(err) != fault.KindTooLarge {
		t.Errorf("%v", err)
	}
	half := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("half"))
		panic(http.ErrAbortHandler)
	})
	var file bytes.Buffer
	if err := half.Bundle(t.Context(), "prj_1", &file); fault.CodeOf(err) != "server.cut_off" {
		t.Errorf("%v", err)
	}
	full := errors.New("no room")
	if err := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write([]byte("all"))
	}).Bundle(t.Context(), "prj_1", broken{full}); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	if err := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(409)
		fmt.Fprint(w, bad("export.none", "Nothing yet.", ""))
	}).Bundle(t.Context(), "prj_1", &file); fault.CodeOf(err) != "export.none" {
		t.Errorf("%v", err)
	}
}

type broken struct{ error }

// Write fails.
func (b broken) Write([]byte) (int, error) { return 0, b.error }

// Addresses are taken as people write them, and refused with what is wrong.
func TestAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http://localhost:3000": "http://localhost:3000", "https://Cake.Example.org/": "https://cake.example.org", " http://[::1]:80/api/docs ": "http://[::1]:80",
		"https://x.org/team/api/v1/": "https://x.org/team", "localhost:3000": "", "ftp://x.org": "", "http://": "", "https://ada:pw@x.org": "", "https://x.org/?a=b": "", "https://x.org/#a": "", "": "", "http://%zz": "",
	} {
		got, err := client.Address(text)
		if got != want || want == "" && fault.KindOf(err) != fault.KindInvalid {
			t.Errorf("%q is %q (%v)", text, got, err)
		}
		if strings.Contains(fmt.Sprint(err), "pw") {
			t.Errorf("%q: a password is repeated: %v", text, err)
		}
	}
	for address, want := range map[string]bool{
		"http://localhost:3000": true, "http://127.1.2.3": true, "http://[::1]:80": true, "https://x.org": true, "http://x.org": false, "http://192.168.0.1": false, "http://localhost.evil.org": false, "http://127.0.0.1.evil.org": false,
	} {
		if got := client.Private(address); got != want {
			t.Errorf("%s is private: %t", address, got)
		}
	}
}

// A session is kept for its owner alone, and replaced as a whole.
func TestSession(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config", "layercake", "session.json")
	if _, err := client.Load(path); fault.CodeOf(err) != "session.none" {
		t.Errorf("%v", err)
	}
	for _, token := range []string{"one", "two"} {
		if err := client.Save(path, client.Session{URL: "http://localhost", Email: "a@b.c", Token: token}); err != nil {
			t.Fatal(err)
		}
		if s, err := client.Load(path); err != nil || s.Token != token {
			t.Errorf("%+v %v", s, err)
		}
	}
	for at, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(at); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", at, info, err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("%v %v", left, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Load(path); fault.CodeOf(err) != "session.file" {
		t.Errorf("%v", err)
	}
	if err := errors.Join(client.Forget(path), client.Forget(path)); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := client.Save(filepath.Join(file, "session.json"), client.Session{}); fault.CodeOf(err) != "session.file" {
		t.Errorf("%v", err)
	}
}
