package agent

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layercake-app/layercake/internal/fault"
)

//go:embed roles/*.md
var roleFiles embed.FS

// houseFile is the part of the system prompt that all roles share.
const houseFile = "_house.md"

// Role is one kind of agent. Name is what blueprints and tasks call it, Title
// is for people, Text is its prompt.
type Role struct {
	Name, Title, Text string
}

// Roles returns the names of all roles, sorted. Each is a file in roles/.
func Roles() []string {
	entries, err := roleFiles.ReadDir("roles")
	if err != nil {
		panic(fmt.Sprintf("agent: embedded roles: %v", err))
	}
	var names []string
	for _, entry := range entries {
		if entry.Name() != houseFile {
			names = append(names, strings.TrimSuffix(entry.Name(), ".md"))
		}
	}
	slices.Sort(names)
	return names
}

// Lookup returns the role with that name, or fault agent.role.
func Lookup(name string) (Role, error) {
	if !slices.Contains(Roles(), name) {
		return Role{}, fault.Invalid("agent.role", "There is no role %q. The roles are: %s.", name, strings.Join(Roles(), ", "))
	}
	text := readRole(name + ".md")
	title, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
	return Role{Name: name, Title: title, Text: text}, nil
}

// readRole returns an embedded file that is known to exist.
func readRole(file string) string {
	text, err := roleFiles.ReadFile(path.Join("roles", file))
	if err != nil {
		panic(fmt.Sprintf("agent: embedded role %s: %v", file, err))
	}
	return string(text)
}
