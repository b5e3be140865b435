package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"

	"github.com/layercake-app/layercake/internal/app"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/run"
)

// listener is a live connection that notes what it hears.
type listener struct {
	*centrifuge.Client
	s     *served
	heard chan string // "subscribed", "refused: …", "ended: …", or the data of a publication
}

func (s *served) listen(token string) *listener {
	s.Helper()
	c := centrifuge.NewJsonClient("ws"+strings.TrimPrefix(s.base, "http")+"/api/v1/ws", centrifuge.Config{Token: token, MinReconnectDelay: 10 * time.Millisecond})
	l := &listener{Client: c, s: s, heard: make(chan string, 4096)}
	c.OnDisconnected(func(e centrifuge.DisconnectedEvent) { l.heard <- fmt.Sprintf("ended: %d", e.Code) })
	s.Cleanup(c.Close)
	if err := c.Connect(); err != nil {
		s.Fatal(err)
	}
	return l
}

func (l *listener) to(channel string) *centrifuge.Subscription {
	l.s.Helper()
	sub, err := l.NewSubscription(channel)
	if err != nil {
		l.s.Fatal(err)
	}
	sub.OnSubscribed(func(centrifuge.SubscribedEvent) { l.heard <- "subscribed" })
	sub.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) { l.heard <- fmt.Sprintf("refused: %d", e.Code) })
	sub.OnPublication(func(e centrifuge.PublicationEvent) { l.heard <- string(e.Data) })
	sub.OnJoin(func(e centrifuge.JoinEvent) { l.heard <- "join " + string(e.ConnInfo) })
	if err := sub.Subscribe(); err != nil {
		l.s.Fatal(err)
	}
	return sub
}

// hears waits for something that contains text.
func (l *listener) hears(text string) string {
	l.s.Helper()
	limit := time.After(30 * time.Second)
	var before []string
	for {
		select {
		case m := <-l.heard:
			if strings.Contains(m, text) {
				return m
			}
			before = append(before, m)
		case <-limit:
			l.s.Fatalf("%q was not heard, but %q", text, before)
		}
	}
}

// Whoever may see a project hears what happens to it, and nobody else.
func TestServedLive(t *testing.T) {
	t.Parallel()
	eachServer(t, func(s *served) {
		ada, eve := s.register("ada"), s.register("eve")
		p := s.post(ada, "/api/v1/projects", map[string]any{"idea": "A tool to track the plants I own"})
		g := s.until(ada, p.ID, "G1")
		runs := s.rows(ada, "/api/v1/projects/"+p.ID+"/runs")
		var me struct{ User struct{ ID string } }
		s.get(ada, "/api/v1/me", &me)

		mine := s.listen(ada)
		mine.to("project:" + p.ID)
		mine.hears("subscribed")
		mine.to("user:" + me.User.ID)
		mine.hears("subscribed")
		mine.to("gate:" + g.ID)
		mine.hears("subscribed")
		stranger := s.listen(eve)
		for _, channel := range []string{"project:" + p.ID, "gate:" + g.ID, "run:" + runs[0].ID, "user:" + me.User.ID, "project:prj_none", "x", "user:"} {
			stranger.to(channel)
			stranger.hears("refused: 103")
		}
		nobody := s.listen("x.y.z")
		nobody.hears("ended: 3500")

		second := s.listen(ada)
		sub := second.to("gate:" + g.ID)
		second.hears("subscribed")
		mine.hears(`join {"name":"ada"}`)
		who, err := sub.Presence(t.Context())
		if err != nil || len(who.Clients) != 2 {
			s.Errorf("present: %+v, %v", who, err)
		}

		s.post(ada, "/api/v1/projects/"+p.ID+"/comments", map[string]any{"path": "docs/INTAKE.md", "text": "Hm."})
		said := mine.hears(`"type":"comment.added"`) + mine.hears(`"type":"comment.added"`) // on the project's and on the user's channel
		if strings.Contains(said, "Hm.") {
			s.Errorf("an event carries state: %s", said)
		}
		s.good(s.ask(ada, http.MethodPost, "/api/v1/auth/logout", nil), nil)
		mine.hears("ended: 3500")
		if a := s.ask("", http.MethodGet, "/api/v1/ws", nil); a.status != http.StatusUpgradeRequired || a.body.Error.Code != "live.upgrade" {
			s.Errorf("no WebSocket: %d %s", a.status, a.raw)
		}
	})
}

// follower reads the output of a run as a client should: by offset, chunks when they
// come, the rest from the interface.
type follower struct {
	s           *served
	token, runs string
	have        []byte
	settled     int64
}

func (f *follower) read() (ended bool) {
	f.s.Helper()
	f.have = f.have[:min(int64(len(f.have)), f.settled)] // what was not settled may have been taken back
	for {
		var out run.Output
		f.s.get(f.token, fmt.Sprintf("%s/output?from=%d&limit=4096", f.runs, len(f.have)), &out)
		f.have, f.settled = append(f.have, out.Text...), out.Settled
		if out.Text == "" {
			return out.Ended && int64(len(f.have)) == out.Settled
		}
	}
}

func (f *follower) chunk(c run.Chunk) {
	f.s.Helper()
	if c.Reset && c.Offset < int64(len(f.have)) {
		f.have = f.have[:c.Offset]
	}
	switch end := c.Offset + int64(len(c.Text)); {
	case c.Offset > int64(len(f.have)):
		f.read()
	case end > int64(len(f.have)):
		f.have = append(f.have, c.Text[int64(len(f.have))-c.Offset:]...)
	}
	f.settled = max(f.settled, c.Settled)
}

// A client whose connection drops fifty times while an agent writes has every byte
// once, in order.
func TestServedOutputOverDroppedConnections(t *testing.T) {
	t.Parallel()
	s := serveOn(t, app.Settings{DemoDelay: 150 * time.Millisecond})
	ada := s.register("ada")
	p := s.post(ada, "/api/v1/projects", map[string]any{"idea": "A tool to track the plants I own", "blueprint": "express"})
	var runs []struct{ ID, Status string }
	for limit := time.Now().Add(time.Minute); len(runs) == 0; time.Sleep(5 * time.Millisecond) {
		s.get(ada, "/api/v1/projects/"+p.ID+"/runs", &runs)
		if time.Now().After(limit) {
			t.Fatal("no run began")
		}
	}
	l := s.listen(ada)
	l.to("run:" + runs[0].ID)
	f := &follower{s: s, token: ada, runs: "/api/v1/runs/" + runs[0].ID}
	drops, chunks := 0, 0
	saw := time.NewTicker(25 * time.Millisecond)
	defer saw.Stop()
	for limit := time.After(2 * time.Minute); ; {
		select {
		case <-saw.C:
			if drops < 50 && l.State() == centrifuge.StateConnected {
				drops++
				if err := l.Disconnect(); err != nil {
					t.Fatal(err)
				}
			}
			s.answer(ada, p.ID)
			if drops < 50 || !f.read() {
				continue
			}
		case m := <-l.heard:
			var c run.Chunk
			switch {
			case strings.HasPrefix(m, "ended"):
				if err := l.Connect(); err != nil {
					t.Fatal(err)
				}
				continue
			case m == "subscribed":
				f.read()
				continue
			case json.Unmarshal([]byte(m), &c) == nil:
				chunks++
				f.chunk(c)
				continue
			}
		case <-limit:
			t.Fatal("the run does not end")
		}
		break
	}
	var whole strings.Builder
	var steps []struct{ Kind, Output string }
	s.get(ada, f.runs+"/steps", &steps)
	for _, x := range steps {
		var answer struct{ Text string }
		if x.Kind == "model" {
			if err := json.Unmarshal([]byte(x.Output), &answer); err != nil {
				t.Fatal(err)
			}
			whole.WriteString(answer.Text)
		}
	}
	if string(f.have) != whole.String() || whole.Len() == 0 {
		t.Errorf("%d bytes were followed, %d are in the journal", len(f.have), whole.Len())
	}
	t.Logf("%d drops, %d chunks, %d bytes", drops, chunks, whole.Len())
	if drops < 50 {
		t.Errorf("only %d drops", drops)
	}
	s.refused(s.ask(ada, http.MethodGet, f.runs+"/output?from=-1", nil), http.StatusBadRequest, "request.invalid")
}

// When many clients have come and gone, nothing of them is left.
func TestServedManyClients(t *testing.T) { // alone, because it counts goroutines
	s := serveOn(t, app.Settings{})
	n := 40
	if soak() {
		n = 500
	}
	ada := s.register("ada")
	p := s.post(ada, "/api/v1/projects", map[string]any{"idea": "A tool to track the plants I own", "blueprint": "express"})
	s.until(ada, p.ID, "G4")
	var clients []*listener
	tokens := []string{ada}
	for i := range n / 50 { // a user has only so many connections
		tokens = append(tokens, s.join(fmt.Sprintf("guest%d", i), p.ID))
	}
	before := runtime.NumGoroutine()
	for i := range n {
		l := s.listen(tokens[i%len(tokens)])
		l.to("project:" + p.ID)
		clients = append(clients, l)
	}
	for _, l := range clients {
		l.hears("subscribed")
	}
	s.post(ada, "/api/v1/projects/"+p.ID+"/comments", map[string]any{"path": "docs/PROJECT.md", "text": "Hm."})
	var wait sync.WaitGroup
	for _, l := range clients {
		wait.Go(func() {
			l.hears("comment.added")
			l.Close()
		})
	}
	wait.Wait()
	for limit := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before+10; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
			break
		}
	}
}

// join makes an account that may look at a project.
func (s *served) join(name, projectID string) string {
	s.Helper()
	token := s.register(name)
	err := s.app.DB.Write(s.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO members (organization_id, user_id, role, created_at)
			SELECT p.organization_id, u.id, 'viewer', 1 FROM projects p, users u WHERE p.id = $1 AND u.name = $2`, projectID, name)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return token
}
