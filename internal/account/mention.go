package account

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/layercake-app/layercake/internal/db"
)

var mention = regexp.MustCompile(`(?:^|[\s(\[,;:])@([^\s,;:()\[\]]{1,254})`)

// UsersOf returns the ids of the members of the organization that a project belongs to.
func UsersOf(ctx context.Context, tx *db.Tx, projectID string) ([]string, error) {
	var ids []string
	err := tx.All(ctx, &ids, `SELECT m.user_id FROM members m JOIN projects p ON p.organization_id = m.organization_id WHERE p.id = $1 ORDER BY m.user_id`, projectID)
	if err != nil {
		return nil, fmt.Errorf("list members at %s: %w", projectID, err)
	}
	return ids, nil
}

// Mentioned returns the ids of the members of an organization that a text speaks to:
// by "@" with an e-mail address or with a name without its spaces, in any case.
func Mentioned(ctx context.Context, tx *db.Tx, organization, text string) ([]string, error) {
	said := map[string]bool{}
	for _, m := range mention.FindAllStringSubmatch(text, -1) {
		said[strings.ToLower(strings.TrimRight(m[1], ".!?"))] = true
	}
	if len(said) == 0 {
		return nil, nil
	}
	var members []User
	err := tx.All(ctx, &members, `SELECT u.id, u.email, u.name, u.password_hash, u.admin, u.version, u.created_at
		FROM members m JOIN users u ON u.id = m.user_id WHERE m.organization_id = $1 ORDER BY u.id`, organization)
	if err != nil {
		return nil, fmt.Errorf("list members of %s: %w", organization, err)
	}
	var out []string
	for _, u := range members {
		if said[u.Email] || said[strings.ToLower(strings.ReplaceAll(u.Name, " ", ""))] {
			out = append(out, u.ID)
		}
	}
	return out, nil
}
