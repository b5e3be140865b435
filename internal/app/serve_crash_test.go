package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// killable is a server in a process of its own that may be gone at any moment.
type killable struct {
	t                *testing.T
	place            *place
	addr, token      string
	process          *exec.Cmd
	ready, goingOn   time.Duration // the longest seen
	answered, chosen int
}

// start runs the server until it is ready, and notes how long that took.
func (k *killable) start() {
	k.t.Helper()
	began := time.Now()
	k.process = k.place.command(context.WithoutCancel(k.t.Context()), "serve", "--addr", k.addr)
	var out bytes.Buffer
	k.process.Stdout, k.process.Stderr = &out, &out
	if err := k.process.Start(); err != nil {
		k.t.Fatal(err)
	}
	for {
		if status, _, err := k.ask(http.MethodGet, "/health/ready", nil); err == nil && status == http.StatusOK {
			break
		}
		if time.Since(began) > 30*time.Second {
			k.t.Fatalf("the server is not ready after %v: %s", time.Since(began), out.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
	k.ready = max(k.ready, time.Since(began))
}

func (k *killable) end(how syscall.Signal) error {
	if err := k.process.Process.Signal(how); err != nil {
		return err
	}
	return k.process.Wait()
}

func (k *killable) ask(method, path string, body any) (int, json.RawMessage, error) {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(k.t.Context(), method, "http://"+k.addr+path, in)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if k.token != "" {
		r.Header.Set("Authorization", "Bearer "+k.token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	var envelope struct{ Data json.RawMessage }
	text, err := io.ReadAll(answer.Body)
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &envelope)
	}
	return answer.StatusCode, envelope.Data, err
}

// need asks for what must be there.
func (k *killable) need(method, path string, body, into any) {
	k.t.Helper()
	status, data, err := k.ask(method, path, body)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%s %s: %d", method, path, status)
	}
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

// carry does once what waits for a person on a project, and reports whether its
// change is complete. Whatever is not answered is tried again later.
func (k *killable) carry(projectID string) (complete bool) {
	var p struct{ Change struct{ Status string } }
	if !k.read("/api/v1/projects/"+projectID, &p) {
		return false
	}
	var questions []struct{ ID, Status, Suggestion string }
	if k.read("/api/v1/projects/"+projectID+"/questions", &questions) {
		for _, q := range questions {
			if q.Status == "open" {
				if status, _, err := k.ask(http.MethodPost, "/api/v1/questions/"+q.ID+"/answer", map[string]any{"answer": q.Suggestion}); err == nil && status == http.StatusOK {
					k.answered++
				}
			}
		}
	}
	var inbox []struct{ Project, Kind, Ref string }
	if k.read("/api/v1/inbox?kind=decision", &inbox) {
		for _, w := range inbox {
			if w.Project == projectID {
				if status, _, err := k.ask(http.MethodPost, "/api/v1/gates/"+w.Ref+"/decision", map[string]any{"decision": "approve"}); err == nil && status == http.StatusOK {
					k.chosen++
				}
			}
		}
	}
	return p.Change.Status == "completed"
}

func (k *killable) read(path string, into any) bool {
	status, data, err := k.ask(http.MethodGet, path, nil)
	return err == nil && status == http.StatusOK && json.Unmarshal(data, into) == nil
}

// pulse is what grows while the server works: the number of events, and the last
// lease of a run, in milliseconds. One tool call may run checks for a minute, with no
// event but with a lease that was taken anew.
func (k *killable) pulse(projects []string) (events, lease int64) {
	for _, id := range projects {
		for since := int64(0); ; {
			var page []struct{ Seq int64 }
			if !k.read(fmt.Sprintf("/api/v1/projects/%s/events?since=%d", id, since), &page) || len(page) == 0 {
				events += since
				break
			}
			since = page[len(page)-1].Seq
		}
		var runs []struct {
			Status     string
			LeaseUntil time.Time
		}
		if k.read("/api/v1/projects/"+id+"/runs", &runs) {
			for _, r := range runs {
				if r.Status == "running" {
					lease = max(lease, r.LeaseUntil.UnixMilli())
				}
			}
		}
	}
	return events, lease
}

// A server that is killed at random points goes on by itself: everything completes,
// and nothing that was journalled is done again.
func TestKilledServerGoesOn(t *testing.T) {
	t.Parallel()
	wholeRun(t)
	kills := 20
	if soak() {
		kills = 100
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	binary(t) // not in the time that the server takes
	k := &killable{t: t, place: newPlace(t), addr: l.Addr().String()}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	calls := filepath.Join(filepath.Dir(k.place.data), "calls")
	k.place.env = append(k.place.env, "LAYERCAKE_DEMO_CALLS="+calls, "LAYERCAKE_DEMO_DELAY=30ms")
	k.start()
	t.Cleanup(func() { _ = k.process.Process.Kill() })
	var access struct{ AccessToken string }
	k.need(http.MethodPost, "/api/v1/auth/register", map[string]any{"email": "ada@example.org", "password": "correct horse battery", "name": "Ada"}, &access)
	k.token = access.AccessToken
	var projects []string
	for _, idea := range []string{"A tool to track the plants I own", "Bookmarks with tags", "Invoices for freelancers"} {
		var p struct{ ID string }
		k.need(http.MethodPost, "/api/v1/projects", map[string]any{"idea": idea, "blueprint": "express"}, &p)
		projects = append(projects, p.ID)
	}
	for range kills {
		for until := time.Now().Add(time.Duration(200+random.IntN(1000)) * time.Millisecond); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
			k.carry(projects[random.IntN(len(projects))])
		}
		events, lease := k.pulse(projects)
		if err := k.end(syscall.SIGKILL); err == nil {
			t.Fatal("the server ended by itself")
		}
		k.start()
		for again := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			if time.Since(again) > 30*time.Second {
				t.Fatal("the server does not go on")
			}
			done := 0
			for _, id := range projects {
				if k.carry(id) {
					done++
				}
			}
			moreEvents, newLease := k.pulse(projects)
			if done == len(projects) || moreEvents > events || newLease > lease {
				break
			}
			k.goingOn = max(k.goingOn, time.Since(again))
		}
	}
	for limit := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		done := 0
		for _, id := range projects {
			if k.carry(id) {
				done++
			}
		}
		if done == len(projects) {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("%d of %d projects are complete", done, len(projects))
		}
	}
	if err := k.end(syscall.SIGTERM); err != nil {
		t.Errorf("the server did not end well: %v", err)
	}
	t.Logf("%d kills; ready after at most %v, at work again after at most %v; %d answers and %d decisions", kills, k.ready, k.goingOn, k.answered, k.chosen)
	if v := k.place.run("verify", k.place.data); v.code != 0 {
		t.Errorf("verify: %s", v.stdout)
	}
	checkJournal(t, filepath.Join(k.place.data, "layercake.db"), calls)
}
