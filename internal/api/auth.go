package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/project"
)

func (s *Server) authRoutes() []route {
	return []route{
		on(s, about{method: http.MethodPost, path: "/auth/register", id: "register", summary: "Make an account and sign in", open: true, status: http.StatusCreated, conflicts: true}, s.register),
		on(s, about{method: http.MethodPost, path: "/auth/login", id: "login", summary: "Sign in", open: true}, s.login),
		on(s, about{method: http.MethodPost, path: "/auth/logout", id: "logout", summary: "End this session"}, s.logout),
		on(s, about{method: http.MethodGet, path: "/me", id: "me", summary: "Who you are, and where you belong"}, s.me),
	}
}

// Caller is what the request says of whoever sends it.
type Caller struct {
	device, address string
	forwarded       bool // it came through a proxy
}

// Resolve takes the caller's marks from the request.
func (c *Caller) Resolve(ctx huma.Context) []error {
	c.device, c.address = ctx.Header("User-Agent"), ctx.RemoteAddr()
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		c.forwarded = c.forwarded || ctx.Header(h) != ""
	}
	return nil
}

// Access is a session that has begun.
type Access struct {
	AccessToken string       `json:"accessToken" doc:"Send it as Authorization: Bearer …"`
	ExpiresAt   db.Time      `json:"expiresAt"`
	User        account.User `json:"user"`
}

type registerIn struct {
	Caller
	Body struct {
		Email    string `json:"email" maxLength:"254"`
		Password string `json:"password" maxLength:"256" doc:"At least 12 characters."`
		Name     string `json:"name" maxLength:"320"`
	}
}

func (s *Server) register(ctx context.Context, in *registerIn) (out Access, err error) {
	// The first account was made before this was reached from elsewhere, be it through
	// a proxy on this machine.
	if !s.Local || in.forwarded {
		return out, account.Closed()
	}
	c, err := account.Candidate{Email: in.Body.Email, Password: in.Body.Password, Name: in.Body.Name}.Validate()
	if err != nil {
		return out, err
	}
	hash, err := s.Hasher.Hash(ctx, c.Password)
	if err != nil {
		return out, err
	}
	var session account.Session
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		if out.User, err = account.Register(ctx, tx, c, hash, s.Local); err != nil {
			return err
		}
		if out.User.Admin { // what was begun at the command line before has an owner now
			m, err := account.Memberships(ctx, tx, out.User.ID)
			if err != nil {
				return err
			}
			if err := project.Adopt(ctx, tx, account.Actor{Member: m}.Home()); err != nil {
				return err
			}
		}
		session, err = account.Begin(ctx, tx, out.User.ID, in.device, in.address)
		return err
	})
	if err != nil {
		return out, err
	}
	return s.access(out.User, session)
}

type loginIn struct {
	Caller
	Body struct {
		Email    string `json:"email" maxLength:"254"`
		Password string `json:"password" maxLength:"256"`
	}
}

func (s *Server) login(ctx context.Context, in *loginIn) (out Access, err error) {
	var u account.User
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		u, err = account.ByEmail(ctx, tx, in.Body.Email)
		return err
	})
	if err != nil && fault.KindOf(err) != fault.KindNotFound {
		return out, err
	}
	if err := s.Hasher.Check(ctx, in.Body.Password, u.Hash); err != nil {
		return out, err
	}
	var session account.Session
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		session, err = account.Begin(ctx, tx, u.ID, in.device, in.address)
		return err
	})
	if err != nil {
		return out, err
	}
	return s.access(u, session)
}

func (s *Server) access(u account.User, session account.Session) (Access, error) {
	token, err := s.Tokens.Sign(session)
	return Access{AccessToken: token, ExpiresAt: session.ExpiresAt, User: u}, err
}

// Done is the answer to what leaves nothing to show.
type Done struct {
	Done bool `json:"done"`
}

func (s *Server) logout(ctx context.Context, _ *struct{}) (Done, error) {
	a, err := s.signedIn(ctx)
	if err != nil {
		return Done{}, err
	}
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return account.End(ctx, tx, a.Session) })
	s.Live.EndSession(a.User.ID, a.Session)
	return Done{true}, err
}

// Me is the signed-in user.
type Me struct {
	User          account.User         `json:"user"`
	Organizations []account.Membership `json:"organizations" nullable:"false"`
}

func (s *Server) me(ctx context.Context, _ *struct{}) (Me, error) {
	a, err := s.signedIn(ctx)
	return Me{User: a.User, Organizations: a.Member}, err
}

// signedIn returns who asks, and refuses nobody.
func (s *Server) signedIn(ctx context.Context) (account.Actor, error) {
	a, err := actor(ctx)
	if err != nil {
		return a, err
	}
	// Everybody may look at home.
	return a, account.Can(a, account.Read, account.Resource{Organization: a.Home(), What: "such account"})
}
