package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
)

// AccessLife is how long an access token is good for.
const AccessLife = 15 * time.Minute

// MinKey is the least length of the key that signs access tokens, in bytes
// (RFC 7518 §3.2 asks for the size of the hash).
const MinKey = 32

// Session is one login of a user.
type Session struct {
	ID        string  `db:"id" json:"id"`
	User      string  `db:"user_id" json:"-"`
	Device    string  `db:"device" json:"device"`
	Address   string  `db:"address" json:"address"`
	CreatedAt db.Time `db:"created_at" json:"createdAt"`
	ExpiresAt db.Time `db:"expires_at" json:"expiresAt"`
	EndedAt   db.Time `db:"ended_at" json:"endedAt"`
}

// Begin stores a session of a user that lasts as long as its access token.
func Begin(ctx context.Context, tx *db.Tx, userID, device, address string) (Session, error) {
	now := db.Now()
	s := Session{ID: db.NewID("ses"), User: userID, Device: clip(device), Address: clip(address), CreatedAt: now, ExpiresAt: now.Add(AccessLife)}
	_, err := tx.Exec(ctx, `INSERT INTO sessions (id, user_id, device, address, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		s.ID, s.User, s.Device, s.Address, s.CreatedAt, s.ExpiresAt)
	if err != nil {
		return s, fmt.Errorf("insert session: %w", err)
	}
	return s, nil
}

// clip bounds what a client says of itself.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 200)], "") }

// End ends a session at once.
func End(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := tx.Exec(ctx, `UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at = 0`, id, db.Now()); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// errSession is the one answer to every token that is not good.
var errSession = fault.Unauthenticated("auth.expired", "Your access has run out or was ended. Log in again.")

// Resolve returns the actor behind a session, with its roles as they are now.
func Resolve(ctx context.Context, tx *db.Tx, sessionID string) (Actor, error) {
	var u User
	err := tx.One(ctx, &u, `SELECT u.id, u.email, u.name, u.password_hash, u.admin, u.version, u.created_at
		FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1 AND s.ended_at = 0 AND s.expires_at > $2`, sessionID, db.Now())
	if errors.Is(err, db.ErrNoRow) {
		return Actor{}, errSession
	}
	if err != nil {
		return Actor{}, fmt.Errorf("read session: %w", err)
	}
	m, err := Memberships(ctx, tx, u.ID)
	return Actor{User: u, Session: sessionID, Member: m}, err
}

// GetSession returns a session that still stands.
func GetSession(ctx context.Context, tx *db.Tx, id string) (Session, error) {
	var s Session
	err := tx.One(ctx, &s, `SELECT id, user_id, device, address, created_at, expires_at, ended_at FROM sessions WHERE id = $1 AND ended_at = 0 AND expires_at > $2`, id, db.Now())
	if errors.Is(err, db.ErrNoRow) {
		return s, errSession
	}
	if err != nil {
		return s, fmt.Errorf("read session: %w", err)
	}
	return s, nil
}

// Tokens signs and reads access tokens: JSON Web Tokens with HS256.
type Tokens struct{ key []byte }

const issuer = "layercake"

// NewTokens returns Tokens that sign with key, of at least MinKey bytes.
func NewTokens(key []byte) (*Tokens, error) {
	if len(key) < MinKey {
		return nil, fault.Invalid("auth.key", "The key that signs access tokens has %d bytes, fewer than %d. Choose a longer one.", len(key), MinKey)
	}
	return &Tokens{key: key}, nil
}

// Sign returns the access token of a session.
func (t *Tokens) Sign(s Session) (string, error) {
	claims := jwt.RegisteredClaims{
		Issuer: issuer, Subject: s.User, ID: s.ID, IssuedAt: jwt.NewNumericDate(s.CreatedAt.Time), ExpiresAt: jwt.NewNumericDate(s.ExpiresAt.Time),
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(t.key)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return token, nil
}

// Session returns the id of the session that a token speaks of. Whether it still
// stands is for Resolve to say.
func (t *Tokens) Session(token string) (string, error) {
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return t.key, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer(issuer), jwt.WithExpirationRequired())
	if err != nil || claims.ID == "" {
		return "", errSession.Because(err)
	}
	return claims.ID, nil
}
