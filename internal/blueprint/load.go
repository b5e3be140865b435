package blueprint

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/layercake-app/layercake/internal/fault"
)

//go:embed blueprints/*.yaml
var files embed.FS

//go:embed schema.json
var schema []byte

// overlay is what one embedded blueprint says beyond base.yaml: its own names,
// and for a gate its stop or its purpose in other words.
type overlay struct {
	Name        string   `yaml:"name"`
	Title       string   `yaml:"title"`
	Description string   `yaml:"description"`
	Version     int      `yaml:"version"`
	For         []string `yaml:"for"`
	Gates       []struct {
		Code    string `yaml:"code"`
		Stop    string `yaml:"stop"`
		Purpose string `yaml:"purpose"`
	} `yaml:"gates"`
}

// Names lists the blueprints that ship with LayerCake.
func Names() []string {
	return []string{"traditional", "ai_ml", "hybrid", "enhancement", "express"}
}

// Schema returns the JSON schema (draft 2020-12) of a resolved blueprint, for
// editors.
func Schema() []byte { return bytes.Clone(schema) }

// ForType returns the blueprint a project of this type begins with when nobody
// chose another.
func ForType(projectType string) (*Blueprint, error) {
	if !slices.Contains(Types, projectType) {
		return nil, fault.Invalid("blueprint.type", "Project type %q is unknown. Use one of: %s.", projectType, strings.Join(Types, ", "))
	}
	return Load(projectType)
}

// Show returns the resolved YAML of an embedded blueprint, a text that an
// organization can edit into its own.
func Show(name string) ([]byte, error) {
	if !slices.Contains(Names(), name) {
		return nil, fault.NotFound("blueprint.unknown", "There is no blueprint %q. LayerCake ships with: %s.", name, strings.Join(Names(), ", "))
	}
	texts, err := resolved()
	if err != nil {
		return nil, err
	}
	return bytes.Clone(texts[name]), nil
}

// Load returns an embedded blueprint, resolved; the caller may change it.
func Load(name string) (*Blueprint, error) {
	text, err := Show(name)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// resolved holds the text of every embedded blueprint, made at first use.
var resolved = sync.OnceValues(func() (map[string][]byte, error) {
	texts := map[string][]byte{}
	for _, name := range Names() {
		var base Blueprint
		if err := decodeFile("base", &base); err != nil {
			return nil, err
		}
		var over overlay
		if err := decodeFile(name, &over); err != nil {
			return nil, err
		}
		if err := base.resolve(over); err != nil {
			return nil, fmt.Errorf("resolve blueprint %s: %w", name, err)
		}
		text, err := base.YAML()
		if err != nil {
			return nil, err
		}
		texts[name] = text
	}
	return texts, nil
})

func decodeFile(name string, into any) error {
	text, err := files.ReadFile("blueprints/" + name + ".yaml")
	if err != nil {
		return fmt.Errorf("read blueprint %s: %w", name, err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("decode blueprint %s: %w", name, err)
	}
	return nil
}

// resolve lays over on b and leaves out what can never hold for its types.
func (b *Blueprint) resolve(over overlay) error {
	b.Name, b.Title, b.Description = over.Name, over.Title, over.Description
	b.Version, b.For = over.Version, over.For
	for _, g := range over.Gates {
		i := slices.Index(b.Order(), g.Code)
		if i < 0 {
			return fmt.Errorf("gate %s is not in base.yaml", g.Code)
		}
		if g.Stop != "" {
			b.Gates[i].Stop = g.Stop
		}
		if g.Purpose != "" {
			b.Gates[i].Purpose = g.Purpose
		}
	}
	fixed := factsOf(b.For)
	for i := range b.Gates {
		b.Gates[i].narrow(b.For, fixed)
		if b.Gates[i].Approval.Roles == nil {
			b.Gates[i].Approval = anyMember()
		}
	}
	return nil
}

// factsOf returns the facts that the types of a blueprint settle by themselves.
func factsOf(types []string) map[string]bool {
	ml := 0
	for _, t := range types {
		if IsML(t) {
			ml++
		}
	}
	if ml > 0 && ml < len(types) {
		return nil
	}
	return map[string]bool{"ml": ml > 0}
}

// narrow drops what never holds for types, and shortens the conditions that
// always do.
func (g *Gate) narrow(types []string, fixed map[string]bool) {
	foreign := func(t string) bool { return !slices.Contains(types, t) }
	g.Agents = slices.DeleteFunc(g.Agents, func(a Agent) bool {
		return len(a.For) > 0 && !slices.ContainsFunc(a.For, func(t string) bool { return !foreign(t) })
	})
	for i, a := range g.Agents {
		a.For = slices.DeleteFunc(slices.Clone(a.For), foreign)
		if len(a.For) == len(types) {
			a.For = nil
		}
		g.Agents[i].For = a.For
	}
	g.Agents = keep(g.Agents, fixed, func(a *Agent) *string { return &a.When })
	g.Deliverables = keep(g.Deliverables, fixed, func(d *Deliverable) *string { return &d.When })
	g.Proofs = keep(g.Proofs, fixed, func(p *RequiredProof) *string { return &p.When })
}

func keep[T any](items []T, fixed map[string]bool, when func(*T) *string) []T {
	var kept []T
	for _, item := range items {
		rest, possible := reduce(*when(&item), fixed)
		if possible {
			*when(&item) = rest
			kept = append(kept, item)
		}
	}
	return kept
}

// reduce takes the settled facts out of a condition; it is not possible when one
// of them contradicts it.
func reduce(when string, fixed map[string]bool) (rest string, possible bool) {
	var open []string
	for _, t := range terms(when) {
		value, settled := fixed[t.fact]
		if settled && value == t.negated {
			return "", false
		}
		if !settled {
			open = append(open, t.String())
		}
	}
	return strings.Join(open, " and "), true
}

// YAML returns the blueprint as text that Parse turns into the same blueprint.
func (b *Blueprint) YAML() ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# LayerCake blueprint %q, resolved: every gate in full.\n", b.Name)
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(b); err != nil {
		return nil, fmt.Errorf("encode blueprint %s: %w", b.Name, err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("encode blueprint %s: %w", b.Name, err)
	}
	return out.Bytes(), nil
}
