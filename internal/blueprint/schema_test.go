package blueprint_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/layercake-app/layercake/internal/blueprint"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(blueprint.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("blueprint.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("blueprint.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// instance turns YAML into what a JSON schema sees.
func instance(t *testing.T, src string) any {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(src), &value); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestSchemaAcceptsWhatShips(t *testing.T) {
	t.Parallel()
	compiled := compileSchema(t)
	for _, name := range blueprint.Names() {
		text, err := blueprint.Show(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(instance(t, string(text))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := compiled.Validate(instance(t, small)); err != nil {
		t.Errorf("small: %v", err)
	}
}

// beyondSchema are the mistakes that only the validator sees: they need the
// lists of roles and proofs, or look at two places at once.
var beyondSchema = []string{
	"key twice", "control character", "gate twice", "gates out of order", "first is not G0", "cycle", "waits for itself",
	"after a stranger", "unknown role", "role twice", "agent for another type", "unknown proof", "unknown proof below",
	"proof without inputs", "proof twice", "unknown repair role", "unknown kind", "path climbs out in braces", "open brace",
	"nested braces", "closing brace", "slash in braces", "endless braces", "deliverable without a role", "deliverable of a stranger",
	"owed while its role is absent", "owed by a role of another type", "deliverable twice", "stop interrupted",
	"stop with two rules", "number as key", "huge number", "merge key", "alias used", "second document", "not YAML", "custom tag", "binary",
}

func TestSchemaRefusesBrokenBlueprints(t *testing.T) {
	t.Parallel()
	compiled := compileSchema(t)
	checked := 0
	for _, c := range brokenOnes {
		if slices.Contains(beyondSchema, c.name) {
			continue
		}
		checked++
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := compiled.Validate(instance(t, mutate(t, c))); err == nil {
				t.Error("the schema accepts it")
			}
		})
	}
	if checked < 50 {
		t.Errorf("only %d broken blueprints were tried", checked)
	}
}

func TestSchemaAndStructsNameTheSameFields(t *testing.T) {
	t.Parallel()
	var doc struct {
		Defs map[string]struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(blueprint.Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	for name, typ := range map[string]reflect.Type{
		"blueprint": reflect.TypeFor[blueprint.Blueprint](), "gate": reflect.TypeFor[blueprint.Gate](),
		"agent": reflect.TypeFor[blueprint.Agent](), "deliverable": reflect.TypeFor[blueprint.Deliverable](),
		"requiredProof": reflect.TypeFor[blueprint.RequiredProof](), "proof": reflect.TypeFor[blueprint.Proof](),
		"approval": reflect.TypeFor[blueprint.Approval](), "skip": reflect.TypeFor[blueprint.Skip](),
	} {
		var inStruct, inSchema []string
		for i := range typ.NumField() {
			key, _, _ := strings.Cut(typ.Field(i).Tag.Get("yaml"), ",")
			inStruct = append(inStruct, key)
		}
		for key := range doc.Defs[name].Properties {
			inSchema = append(inSchema, key)
		}
		slices.Sort(inStruct)
		slices.Sort(inSchema)
		if diff := cmp.Diff(inStruct, inSchema); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSchemaKnowsTheVocabulary(t *testing.T) {
	t.Parallel()
	compiled := compileSchema(t)
	for _, fact := range blueprint.Facts {
		for _, when := range []string{fact, "!" + fact, "ui and !" + fact} {
			src := strings.Replace(small, "when: ui", "when: '"+when+"'", 1)
			if err := compiled.Validate(instance(t, src)); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
	}
	for _, list := range [][]string{blueprint.Types, blueprint.Tiers, blueprint.ApprovalRoles} {
		for _, word := range list {
			if !bytes.Contains(blueprint.Schema(), []byte(`"`+word+`"`)) {
				t.Errorf("the schema does not name %s", word)
			}
		}
	}
}
