// Package account holds the people who use an instance, the organizations they
// belong to and their sessions, and answers who may do what: Can is the only
// place that does.
//
// Passwords are kept as Argon2id hashes. A session is looked up on each request,
// so that its end holds at once.
package account

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode/utf8"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
)

// The roles of a member, from most to least.
const (
	Owner  = "owner"
	Admin  = "admin"
	Member = "member"
	Viewer = "viewer"
)

// Limits on what a person may hand in.
const (
	maxEmail    = 254 // bytes, RFC 5321 §4.5.3.1
	maxName     = 80  // runes
	minPassword = 12  // runes; length matters more than symbols, NIST SP 800-63B §5.1.1
	maxPassword = 256 // bytes
)

// User is a person with an account. Admin administers the instance.
type User struct {
	ID        string  `db:"id" json:"id"`
	Email     string  `db:"email" json:"email"`
	Name      string  `db:"name" json:"name"`
	Hash      string  `db:"password_hash" json:"-"`
	Admin     bool    `db:"admin" json:"admin"`
	Version   int64   `db:"version" json:"version"`
	CreatedAt db.Time `db:"created_at" json:"createdAt"`
}

const userColumns = `id, email, name, password_hash, admin, version, created_at`

// Membership is the role of a user in an organization.
type Membership struct {
	Organization string `db:"organization_id" json:"organization"`
	Name         string `db:"name" json:"name"`
	Role         string `db:"role" json:"role"`
	Personal     bool   `db:"personal" json:"personal"`
}

// Candidate is what somebody who wants an account hands in.
type Candidate struct{ Email, Password, Name string }

// Validate returns c as it is stored, or a fault that lists every wrong field.
func (c Candidate) Validate() (Candidate, error) {
	var details []fault.Detail
	wrong := func(field, message, next string) {
		details = append(details, fault.Detail{Field: field, Message: message, Next: next})
	}
	c.Email = strings.ToLower(strings.TrimSpace(c.Email))
	if a, err := mail.ParseAddress(c.Email); err != nil || a.Address != c.Email || len(c.Email) > maxEmail {
		wrong("email", "email is no e-mail address", "Write it as name@example.org.")
	}
	switch n := utf8.RuneCountInString(c.Password); {
	case n < minPassword:
		wrong("password", fmt.Sprintf("password has fewer than %d characters", minPassword), "Choose a longer one; a few words are fine.")
	case len(c.Password) > maxPassword:
		wrong("password", fmt.Sprintf("password has more than %d bytes", maxPassword), "Choose a shorter one.")
	case strings.EqualFold(c.Password, c.Email) || strings.Count(c.Password, c.Password[:1]) == len(c.Password):
		wrong("password", "password is too easy to guess", "Choose one that is not your address or one character repeated.")
	}
	c.Name = strings.Join(strings.Fields(c.Name), " ")
	switch n := utf8.RuneCountInString(c.Name); {
	case n == 0:
		wrong("name", "name is missing", "Say how you want to be called.")
	case n > maxName || strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }):
		wrong("name", fmt.Sprintf("name has more than %d characters, or some that cannot be printed", maxName), "Choose a shorter one.")
	}
	if len(details) > 0 {
		return c, fault.Invalid("account.invalid", "The account cannot be made: %d fields are wrong.", len(details)).WithDetails(details...)
	}
	return c, nil
}

// Register stores a valid candidate with its password's hash, and a personal
// organization. The first user of an instance becomes its administrator; others
// are let in while it is open.
func Register(ctx context.Context, tx *db.Tx, c Candidate, hash string, open bool) (User, error) {
	u := User{ID: db.NewID("usr"), Email: c.Email, Name: c.Name, Hash: hash, Version: 1, CreatedAt: db.Now()}
	var n int64
	if err := tx.One(ctx, &n, `UPDATE instance SET accounts = accounts + 1 WHERE id = 1 RETURNING accounts`); err != nil {
		return u, fmt.Errorf("count accounts: %w", err)
	}
	u.Admin = n == 1
	if !u.Admin && !open {
		return u, Closed()
	}
	_, err := tx.Exec(ctx, `INSERT INTO users (id, email, name, password_hash, admin, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		u.ID, u.Email, u.Name, u.Hash, u.Admin, u.CreatedAt)
	if db.IsUnique(err) {
		return u, fault.Conflict("account.taken", "There is an account with the address %s already. Log in, or use another address.", u.Email)
	}
	if err != nil {
		return u, fmt.Errorf("insert user: %w", err)
	}
	org := db.NewID("org")
	if _, err := tx.Exec(ctx, `INSERT INTO organizations (id, name, personal_of, created_at) VALUES ($1, $2, $3, $4)`, org, u.Name, u.ID, u.CreatedAt); err != nil {
		return u, fmt.Errorf("insert organization: %w", err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO members (organization_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)`, org, u.ID, Owner, u.CreatedAt); err != nil {
		return u, fmt.Errorf("insert member: %w", err)
	}
	return u, nil
}

// Closed is the answer to whoever wants an account where none is to be had.
func Closed() error {
	return fault.Forbidden("account.closed", "This instance takes no new accounts. Ask its administrator.")
}

// Any reports whether there is an account.
func Any(ctx context.Context, tx *db.Tx) (bool, error) {
	var n int64
	if err := tx.One(ctx, &n, `SELECT accounts FROM instance WHERE id = 1`); err != nil {
		return false, fmt.Errorf("count accounts: %w", err)
	}
	return n > 0, nil
}

// ByEmail returns the user with an address, written in any case.
func ByEmail(ctx context.Context, tx *db.Tx, email string) (User, error) {
	return one(ctx, tx, `email = $1`, strings.ToLower(strings.TrimSpace(email)))
}

// Get returns a user by id.
func Get(ctx context.Context, tx *db.Tx, id string) (User, error) { return one(ctx, tx, `id = $1`, id) }

func one(ctx context.Context, tx *db.Tx, where, arg string) (User, error) {
	var u User
	err := tx.One(ctx, &u, `SELECT `+userColumns+` FROM users WHERE `+where, arg)
	if errors.Is(err, db.ErrNoRow) {
		return u, fault.NotFound("account.not_found", "There is no such account.")
	}
	if err != nil {
		return u, fmt.Errorf("read user: %w", err)
	}
	return u, nil
}

// Memberships returns the organizations of a user, the personal one first.
func Memberships(ctx context.Context, tx *db.Tx, userID string) ([]Membership, error) {
	var out []Membership
	err := tx.All(ctx, &out, `SELECT m.organization_id, o.name, m.role, o.personal_of = m.user_id AS personal
		FROM members m JOIN organizations o ON o.id = m.organization_id WHERE m.user_id = $1
		ORDER BY CASE WHEN o.personal_of = m.user_id THEN 0 ELSE 1 END, o.name, o.id`, userID)
	if err != nil {
		return nil, fmt.Errorf("list organizations of %s: %w", userID, err)
	}
	return out, nil
}

// Actor is who asks: a signed-in user with the roles it has now. The zero Actor
// is nobody.
type Actor struct {
	User    User
	Session string
	Member  []Membership
}

// Event is the actor as events and decisions name it.
func (a Actor) Event() event.Actor { return event.Actor{Kind: event.Person, ID: a.User.ID} }

// Role returns the actor's role in an organization, "" when it has none.
func (a Actor) Role(organization string) string {
	for _, m := range a.Member {
		if m.Organization == organization && organization != "" {
			return m.Role
		}
	}
	return ""
}

// Home is the actor's personal organization, where its projects go when it names
// no other.
func (a Actor) Home() string {
	for _, m := range a.Member {
		if m.Personal {
			return m.Organization
		}
	}
	return ""
}

// Organizations lists the tenants that the actor may see something of.
func (a Actor) Organizations() []string {
	out := make([]string, 0, len(a.Member))
	for _, m := range a.Member {
		out = append(out, m.Organization)
	}
	return out
}
