package account_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
)

func write(t *testing.T, d *db.DB, fn func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func register(t *testing.T, d *db.DB, email, hash string) account.User {
	t.Helper()
	var u account.User
	write(t, d, func(ctx context.Context, tx *db.Tx) error {
		c, err := account.Candidate{Email: email, Password: "correct horse battery", Name: "Ada"}.Validate()
		if err != nil {
			return err
		}
		u, err = account.Register(ctx, tx, c, hash, true)
		return err
	})
	return u
}

func TestTheFirstUserAdministersTheInstance(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		first, second := register(t, d, " Ada@Example.org ", "h"), register(t, d, "grace@example.org", "h")
		if !first.Admin || second.Admin || first.Email != "ada@example.org" {
			t.Errorf("%+v, %+v", first, second)
		}
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := account.Register(ctx, tx, account.Candidate{Email: "ada@example.org", Name: "Eve"}, "h", true)
			return err
		})
		if fault.CodeOf(err) != "account.taken" {
			t.Errorf("one address twice: %v", err)
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			u, err := account.ByEmail(ctx, tx, "ADA@example.org ")
			if u.ID != first.ID {
				t.Errorf("by address: %+v", u)
			}
			return err
		})
	})
}

// Of many who come first at once one administers the instance; where it is closed
// nobody else gets in.
func TestThereIsOneFirstUser(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var wait sync.WaitGroup
		codes := make([]string, 20)
		for i := range codes {
			wait.Go(func() {
				err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
					_, err := account.Register(ctx, tx, account.Candidate{Email: fmt.Sprintf("u%d@example.org", i), Name: "U"}, "h", false)
					return err
				})
				if err != nil {
					codes[i] = fault.CodeOf(err)
				}
			})
		}
		wait.Wait()
		slices.Sort(codes)
		if codes[0] != "" || codes[1] != "account.closed" || codes[len(codes)-1] != "account.closed" {
			t.Errorf("%v", codes)
		}
		register(t, d, "late@example.org", "h")
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			var admins []bool
			err := tx.All(ctx, &admins, `SELECT admin FROM users WHERE admin`)
			if len(admins) != 1 {
				t.Errorf("%d administrators", len(admins))
			}
			return err
		})
	})
}

func TestASessionEndsAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		u := register(t, d, "ada@example.org", "h")
		var s account.Session
		resolve := func() (a account.Actor, err error) {
			err = d.Read(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
				a, err = account.Resolve(ctx, tx, s.ID)
				return err
			})
			return a, err
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
			s, err = account.Begin(ctx, tx, u.ID, strings.Repeat("ü", 150)+"\xff", "127.0.0.1")
			return err
		})
		a, err := resolve()
		if err != nil || a.User.ID != u.ID || a.Role(a.Home()) != account.Owner || a.Event() != (event.Actor{Kind: event.Person, ID: u.ID}) {
			t.Fatalf("%+v, %v", a, err)
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return account.End(ctx, tx, s.ID) })
		if _, err := resolve(); fault.CodeOf(err) != "auth.expired" {
			t.Errorf("an ended session: %v", err)
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE sessions SET ended_at = 0, expires_at = $1`, db.Now().Add(-time.Second))
			return err
		})
		if _, err := resolve(); fault.CodeOf(err) != "auth.expired" {
			t.Errorf("an expired session: %v", err)
		}
	})
}

func TestWhatAnAccountNeeds(t *testing.T) {
	t.Parallel()
	good := account.Candidate{Email: "ada@example.org", Password: "correct horse", Name: "Ada"}
	for _, c := range []struct {
		name   string
		change func(c *account.Candidate)
		fields string
	}{
		{"nothing wrong", func(*account.Candidate) {}, ""},
		{"all of it", func(c *account.Candidate) { *c = account.Candidate{} }, "email password name"},
		{"an address with a name", func(c *account.Candidate) { c.Email = "Ada <ada@example.org>" }, "email"},
		{"two addresses", func(c *account.Candidate) { c.Email = "a@b.c, d@e.f" }, "email"},
		{"a line break in the address", func(c *account.Candidate) { c.Email = "a@b.c\r\nBcc: x@y.z" }, "email"},
		{"a short password", func(c *account.Candidate) { c.Password = "12345678901" }, "password"},
		{"a password without end", func(c *account.Candidate) { c.Password = strings.Repeat("ab", 200) }, "password"},
		{"one character", func(c *account.Candidate) { c.Password = strings.Repeat("a", 20) }, "password"},
		{"the address as password", func(c *account.Candidate) { c.Password = "ADA@example.org" }, "password"},
		{"a name with a control character", func(c *account.Candidate) { c.Name = "Ada\x00" }, "name"},
		{"a long name", func(c *account.Candidate) { c.Name = strings.Repeat("ä", 81) }, "name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := good
			c.change(&in)
			_, err := in.Validate()
			var fields []string
			if f, ok := fault.As(err); ok {
				for _, d := range f.Details {
					fields = append(fields, d.Field)
				}
			}
			if got := strings.Join(fields, " "); got != c.fields {
				t.Errorf("wrong are %q, want %q", got, c.fields)
			}
			if err != nil && in.Password != "" && strings.Contains(err.Error(), in.Password) {
				t.Errorf("the password stands in %v", err)
			}
		})
	}
}

func TestAWrongPasswordAndNoAccountLookAlike(t *testing.T) {
	t.Parallel()
	h, err := account.NewHasher(2)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Check(t.Context(), "correct horse", hash); err != nil {
		t.Error(err)
	}
	for _, c := range [][2]string{{"wrong horse", hash}, {"correct horse", ""}, {"nobody has this password", ""}, {strings.Repeat("x", 1000), hash}} {
		if err := h.Check(t.Context(), c[0], c[1]); fault.CodeOf(err) != "auth.wrong" {
			t.Errorf("%.20q: %v", c[0], err)
		}
	}
}

func TestTokensOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	key := []byte(strings.Repeat("k", account.MinKey))
	ours, err := account.NewTokens(key)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := account.NewTokens([]byte(strings.Repeat("x", account.MinKey)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := account.NewTokens(key[1:]); fault.CodeOf(err) != "auth.key" {
		t.Errorf("a short key: %v", err)
	}
	s := account.Session{ID: "ses_1", User: "usr_1", CreatedAt: db.Now(), ExpiresAt: db.Now().Add(time.Minute)}
	sign := func(by *account.Tokens, s account.Session) string {
		token, err := by.Sign(s)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	token := sign(ours, s)
	if id, err := ours.Session(token); err != nil || id != "ses_1" {
		t.Errorf("%q, %v", id, err)
	}
	old := s
	old.ExpiresAt = db.Now().Add(-time.Minute)
	// {"alg":"none","typ":"JWT"}
	unsigned := "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + strings.Split(token, ".")[1] + "."
	for name, bad := range map[string]string{"of another": sign(theirs, s), "old": sign(ours, old), "unsigned": unsigned, "cut": token[:len(token)-2], "empty": "", "no token": "a.b.c"} {
		if _, err := ours.Session(bad); fault.CodeOf(err) != "auth.expired" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the actor may not see is not found; what it sees and may not do is forbidden.
func TestCan(t *testing.T) {
	t.Parallel()
	in := func(role string) account.Actor {
		return account.Actor{User: account.User{ID: "usr_1"}, Member: []account.Membership{{Organization: "org_1", Role: role}}}
	}
	admin := account.Actor{User: account.User{ID: "usr_2", Admin: true}}
	here, local := account.Resource{Organization: "org_1", What: "project prj_1"}, account.Resource{What: "project prj_1"}
	verbs := []account.Verb{account.Read, account.Write, account.Decide, account.Manage, account.Administer, "fly"}
	const ok, no, gone, who = "internal", "forbidden", "not_found", "unauthenticated"
	for _, c := range []struct {
		name string
		a    account.Actor
		r    account.Resource
		want [6]string
	}{
		{"nobody", account.Actor{}, here, [6]string{who, who, who, who, who, who}},
		{"a stranger", account.Actor{User: account.User{ID: "usr_3"}}, here, [6]string{gone, gone, gone, gone, no, gone}},
		{"the administrator elsewhere", admin, here, [6]string{gone, gone, gone, gone, ok, gone}},
		{"a viewer", in(account.Viewer), here, [6]string{ok, no, no, no, no, no}},
		{"a member", in(account.Member), here, [6]string{ok, ok, ok, no, no, no}},
		{"an admin", in(account.Admin), here, [6]string{ok, ok, ok, ok, no, no}},
		{"an owner", in(account.Owner), here, [6]string{ok, ok, ok, ok, no, no}},
		{"an unknown role", in("king"), here, [6]string{no, no, no, no, no, no}},
		{"an owner elsewhere", in(account.Owner), local, [6]string{gone, gone, gone, gone, no, gone}},
	} {
		for i, v := range verbs {
			got := ok
			if err := account.Can(c.a, v, c.r); err != nil {
				got = string(fault.KindOf(err))
			}
			if got != c.want[i] {
				t.Errorf("%s, %s: %s, want %s", c.name, v, got, c.want[i])
			}
		}
	}
}
