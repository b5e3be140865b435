package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/bus"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/run"
)

// Bounds of what live connections may take.
const (
	tapBuffer   = 1 << 14 // messages that the house may be ahead of the connections
	historySize = 256     // events of a project that a client may have missed …
	historyLife = 5 * time.Minute
	maxSockets  = 64      // of one user
	maxQueue    = 1 << 20 // bytes that a client may be behind before it is cut off
)

// Live tells browsers and programs what happens, over WebSockets in the protocol of
// Centrifuge. Its channels are user:ID (what waits for a person may have changed),
// project:ID (numbers and types of events), run:ID (chunks of what a model writes,
// with offsets) and gate:ID (who looks at it). Nothing on them is state: who misses
// something reads it from the interface, by number or offset.
type Live struct {
	DB     *db.DB
	Tokens *account.Tokens
	Bus    *bus.Bus
	Log    *slog.Logger

	node    *centrifuge.Node
	handler http.Handler
	stop    func()
	done    chan struct{}
}

// Start begins to serve connections; Close ends it.
func (l *Live) Start() error {
	node, err := centrifuge.New(centrifuge.Config{
		Name: "layercake", LogLevel: centrifuge.LogLevelError, LogHandler: l.logged,
		ClientQueueMaxSize: maxQueue, ClientChannelLimit: 64,
	})
	if err != nil {
		return fmt.Errorf("make live node: %w", err)
	}
	node.OnConnecting(l.connecting)
	node.OnConnect(l.connected)
	if err := node.Run(); err != nil {
		return fmt.Errorf("run live node: %w", err)
	}
	l.node, l.done = node, make(chan struct{})
	l.handler = centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{MessageSizeLimit: 64 << 10, WriteTimeout: 5 * time.Second, UseWriteBufferPool: true})
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	go l.pump(ctx)
	return nil
}

// Close tells every client to go elsewhere, and ends.
func (l *Live) Close(ctx context.Context) error {
	if l.node == nil {
		return nil
	}
	l.stop()
	<-l.done
	if err := l.node.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop live node: %w", err)
	}
	return nil
}

// ServeHTTP takes a connection.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		f := failure(r.Context(), fault.Invalid("live.upgrade", "This address takes WebSocket connections alone, in the protocol of Centrifuge."))
		f.status = http.StatusUpgradeRequired
		w.Header().Set("Upgrade", "websocket")
		writeFailure(w, r, f)
		return
	}
	l.handler.ServeHTTP(w, r)
}

func (l *Live) logged(e centrifuge.LogEntry) { l.Log.Warn("live: "+e.Message, "fields", e.Fields) }

type sessionKey struct{}

// sessionRef is the session that a connection stands on; a refresh may bring another.
type sessionRef struct{ atomic.Value }

func newSessionRef(id string) *sessionRef {
	r := &sessionRef{}
	r.Store(id)
	return r
}

func sessionOf(c *centrifuge.Client) string {
	ref, ok := c.Context().Value(sessionKey{}).(*sessionRef)
	if !ok {
		return ""
	}
	id, _ := ref.Load().(string)
	return id
}

// connecting asks who it is. A session that has run out closes its connections; a
// client that has a new token may refresh before.
func (l *Live) connecting(ctx context.Context, e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
	a, expires, err := l.who(ctx, e.Token)
	if err != nil {
		return centrifuge.ConnectReply{}, l.refuse(ctx, err)
	}
	if len(l.node.Hub().UserConnections(a.User.ID)) >= maxSockets {
		return centrifuge.ConnectReply{}, centrifuge.DisconnectConnectionLimit
	}
	info, err := json.Marshal(map[string]string{"name": a.User.Name})
	if err != nil {
		return centrifuge.ConnectReply{}, centrifuge.DisconnectServerError
	}
	return centrifuge.ConnectReply{
		Context: context.WithValue(ctx, sessionKey{}, newSessionRef(a.Session)), ClientSideRefresh: true,
		Credentials: &centrifuge.Credentials{UserID: a.User.ID, ExpireAt: expires.Unix(), Info: info},
	}, nil
}

// who finds the actor behind a token, and when its session runs out.
func (l *Live) who(ctx context.Context, token string) (a account.Actor, expires time.Time, err error) {
	id, err := l.Tokens.Session(token)
	if err != nil {
		return a, expires, err
	}
	err = l.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) error {
		session, err := account.GetSession(ctx, tx, id)
		if err != nil {
			return err
		}
		expires = session.ExpiresAt.Time
		a, err = account.Resolve(ctx, tx, id)
		return err
	})
	return a, expires, err
}

func (l *Live) refuse(ctx context.Context, err error) error {
	if fault.KindOf(err) == fault.KindUnauthenticated {
		return centrifuge.DisconnectInvalidToken
	}
	l.Log.ErrorContext(ctx, "live connection failed", "error", err)
	return centrifuge.DisconnectServerError
}

func (l *Live) connected(c *centrifuge.Client) {
	c.OnRefresh(func(e centrifuge.RefreshEvent, answer centrifuge.RefreshCallback) {
		a, expires, err := l.who(c.Context(), e.Token)
		if err != nil || a.User.ID != c.UserID() {
			answer(centrifuge.RefreshReply{}, centrifuge.DisconnectInvalidToken)
			return
		}
		if ref, ok := c.Context().Value(sessionKey{}).(*sessionRef); ok {
			ref.Store(a.Session)
		}
		answer(centrifuge.RefreshReply{ExpireAt: expires.Unix()}, nil)
	})
	c.OnSubscribe(func(e centrifuge.SubscribeEvent, answer centrifuge.SubscribeCallback) {
		options, err := l.admit(c, e.Channel)
		answer(centrifuge.SubscribeReply{Options: options}, err)
	})
	c.OnPresence(func(e centrifuge.PresenceEvent, answer centrifuge.PresenceCallback) {
		if !c.IsSubscribed(e.Channel) || !strings.HasPrefix(e.Channel, "gate:") {
			answer(centrifuge.PresenceReply{}, centrifuge.ErrorPermissionDenied)
			return
		}
		answer(centrifuge.PresenceReply{}, nil)
	})
}

// admit says whether a client may listen to a channel. What it may not see is, to
// it, not there.
func (l *Live) admit(c *centrifuge.Client, channel string) (o centrifuge.SubscribeOptions, err error) {
	session := sessionOf(c)
	kind, id, _ := strings.Cut(channel, ":")
	err = l.DB.Read(c.Context(), func(ctx context.Context, tx *db.Tx) error {
		a, err := account.Resolve(ctx, tx, session)
		if err != nil {
			return err
		}
		projectID := id
		switch kind {
		case "user":
			if id == a.User.ID {
				return nil
			}
			return errChannel
		case "project":
			o = centrifuge.SubscribeOptions{EnableRecovery: true, EnablePositioning: true}
		case "run":
			r, err := run.Get(ctx, tx, id)
			if err != nil {
				return err
			}
			projectID = r.Project
		case "gate":
			o = centrifuge.SubscribeOptions{EmitPresence: true, EmitJoinLeave: true, PushJoinLeave: true}
			g, err := gate.Get(ctx, tx, id)
			if err != nil {
				return err
			}
			projectID = g.Project
		default:
			return errChannel
		}
		p, err := project.Get(ctx, tx, projectID)
		if err != nil {
			return err
		}
		return account.Can(a, account.Read, account.Resource{Organization: p.Organization, What: "channel"})
	})
	switch {
	case err == nil:
		return o, nil
	case fault.KindOf(err) == fault.KindUnauthenticated:
		return o, centrifuge.DisconnectInvalidToken
	case fault.Ours(err) && !errors.Is(err, errChannel):
		l.Log.ErrorContext(c.Context(), "live subscription failed", "error", err)
		return o, centrifuge.ErrorInternal
	}
	return o, centrifuge.ErrorPermissionDenied
}

var errChannel = errors.New("no such channel")

// EndSession closes the connections of a session.
func (l *Live) EndSession(userID, session string) {
	if l == nil || l.node == nil {
		return
	}
	for _, c := range l.node.Hub().UserConnections(userID) {
		if sessionOf(c) == session {
			c.Disconnect(centrifuge.DisconnectInvalidToken)
		}
	}
}

// told is what a project's channel says of an event.
type told struct {
	Project string `json:"project"`
	Seq     int64  `json:"seq"`
	Type    string `json:"type"`
}

// waking are the types of events after which something else may wait for somebody.
var waking = []string{
	"gate.review", "gate.fell_back", "gate.approved", "gate.rejected", "gate.reopened", "gate.delta_review", "question.asked", "question.answered",
	"blocker.raised", "blocker.resolved", "comment.added", "budget.set", "waiver.granted", "waiver.closed", "change.completed", "change.cancelled",
	"project.archived", "project.unarchived",
}

// pump carries what is published in the house to the connections. When it cannot
// keep up it begins again; clients see the gap in the numbers.
func (l *Live) pump(ctx context.Context) {
	defer close(l.done)
	for ctx.Err() == nil {
		messages, cancel := l.Bus.Tap(tapBuffer)
		l.carry(ctx, messages)
		cancel()
	}
}

func (l *Live) carry(ctx context.Context, messages <-chan any) {
	for {
		var m bus.Message
		select {
		case <-ctx.Done():
			return
		case next, open := <-messages:
			if !open {
				l.Log.WarnContext(ctx, "live connections fell behind, and are told less than everything")
				return
			}
			m, _ = next.(bus.Message)
		}
		switch data := m.Data.(type) {
		case event.Event:
			l.say(ctx, "project:"+data.Project, told{data.Project, data.Seq, data.Type}, centrifuge.WithHistory(historySize, historyLife))
			if slices.Contains(waking, data.Type) {
				l.wake(ctx, data)
			}
		case run.Chunk:
			if l.node.Hub().NumSubscribers("run:"+data.Run) > 0 {
				l.say(ctx, "run:"+data.Run, data)
			}
		}
	}
}

func (l *Live) say(ctx context.Context, channel string, data any, o ...centrifuge.PublishOption) {
	text, err := json.Marshal(data)
	if err == nil {
		_, err = l.node.Publish(channel, text, o...)
	}
	if err != nil {
		l.Log.WarnContext(ctx, "live message was lost", "channel", channel, "error", err)
	}
}

// wake tells the members of a project's organization that their inbox may be another.
func (l *Live) wake(ctx context.Context, e event.Event) {
	if l.node.Hub().NumClients() == 0 {
		return
	}
	var users []string
	err := l.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		users, err = account.UsersOf(ctx, tx, e.Project)
		return err
	})
	if err != nil {
		l.Log.WarnContext(ctx, "inboxes were not told", "error", err)
		return
	}
	for _, u := range users {
		l.say(ctx, "user:"+u, told{e.Project, e.Seq, e.Type})
	}
}
