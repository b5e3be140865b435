package account

import (
	"context"
	"fmt"

	"github.com/alexedwards/argon2id"

	"github.com/layercake-app/layercake/internal/fault"
)

// params are those that OWASP recommends for Argon2id: 19 MiB, two passes, one lane.
var params = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Hasher makes and checks hashes of passwords, a bounded number at a time: each
// takes 19 MiB and some 50 ms of a processor.
type Hasher struct {
	slots chan struct{}
	decoy string
}

// NewHasher returns a Hasher that works on at most n passwords at once.
func NewHasher(n int) (*Hasher, error) {
	decoy, err := argon2id.CreateHash("nobody has this password", params)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	return &Hasher{slots: make(chan struct{}, max(n, 1)), decoy: decoy}, nil
}

func (h *Hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Hash returns the hash of a password, with its salt and parameters.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer func() { <-h.slots }()
	hash, err := argon2id.CreateHash(password, params)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// Check reports a wrong password or a missing account as one and the same fault,
// after the same time. hash is "" when there is no account.
func (h *Hasher) Check(ctx context.Context, password, hash string) error {
	wrong := fault.Unauthenticated("auth.wrong", "The e-mail address or the password is wrong.")
	if len(password) > maxPassword {
		return wrong
	}
	if err := h.enter(ctx); err != nil {
		return err
	}
	defer func() { <-h.slots }()
	known := hash != ""
	if !known {
		hash = h.decoy
	}
	same, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return fmt.Errorf("compare password: %w", err)
	}
	if !same || !known {
		return wrong
	}
	return nil
}
