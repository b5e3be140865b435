package demo

import (
	"reflect"
	"testing"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

// TestRequestIsFoundInAStoredModel stores a model with a request carried out, as
// the architect does, and asks for the model before it, as later roles do.
func TestRequestIsFoundInAStoredModel(t *testing.T) {
	t.Parallel()
	start, _ := product.Read("A plant tracker with name, location and when I last watered a plant").Extend("Record the price of each plant")
	for _, request := range []string{
		"Also track the shop where I bought a plant", "Add a list of suppliers", "Record the height of each plant",
		"Plants need a button to mark them as fertilized", "Make it faster", "Remember reminders with date and text",
	} {
		extended, changes := start.Extend(request)
		if len(changes) == 0 {
			t.Fatalf("%q adds nothing", request)
		}
		stored, err := product.ParseYAML(extended.YAML())
		if err != nil {
			t.Fatal(err)
		}
		before, after := withRequest(stored, request)
		if !reflect.DeepEqual(after, stored) {
			t.Errorf("%q was carried out twice: %+v", request, after.Changes)
		}
		if !reflect.DeepEqual(before.Entities, start.Entities) || len(before.Actions) != len(start.Actions) || len(before.Changes) != len(start.Changes) {
			t.Errorf("%q: the model before it is\n%+v\nwant\n%+v", request, before, start)
		}
		again, twice := withRequest(start, request)
		if !reflect.DeepEqual(again, start) || !reflect.DeepEqual(twice.Changes, extended.Changes) {
			t.Errorf("%q: a model without it gives %+v", request, twice.Changes)
		}
	}
}

func TestRename(t *testing.T) {
	t.Parallel()
	m := product.Read("A plant tracker with name, location and when I last watered a plant")
	label := m.Entities[0].Fields[1].Label
	for _, c := range []struct{ remark, want string }{
		{`rename "Plant" to "Crop"`, "Plant is now called Crop"},
		{"Please rename the " + label + " to Place.", "the field " + label + " is now called Place"},
		{"rename " + m.Title + " to Green thumb", "the application is now called Green thumb"},
		{"rename nothing to something", ""},
	} {
		got := withWish(m, c.remark)
		if got.what != c.want {
			t.Errorf("%q: understood %q, want %q", c.remark, got.what, c.want)
		}
		if _, err := product.ParseYAML(got.after.YAML()); err != nil {
			t.Errorf("%q: %v", c.remark, err)
		}
	}
	if m.Entities[0].Label != "Plant" || m.Entities[0].Fields[1].Label != label {
		t.Error("the model itself was changed")
	}
}

func TestEditsOfTheContractCount(t *testing.T) {
	t.Parallel()
	m := product.Read("A plant tracker with name, location and when I last watered a plant")
	w := newWork(reqWithFiles(dataModelPath, modelPath), new(cache))
	w.contents[modelPath] = string(m.YAML())
	edited := m
	edited.Entities = append([]product.Entity{}, m.Entities...)
	fields := append([]product.Field{}, m.Entities[0].Fields...)
	fields[1].Label = "Place"
	edited.Entities[0].Fields = append(fields, product.Field{Name: "height", Label: "Height", Type: "number"})
	w.contents[dataModelPath] = string(dataModel(edited))
	got, found := w.storedModel()
	if !found || !reflect.DeepEqual(got.Entities, edited.Entities) {
		t.Errorf("got %+v\nwant %+v", got.Entities, edited.Entities)
	}
	w.contents[dataModelPath] = "entities:\n  - name: Plant\n    fields:\n      - {name: BAD NAME, label: x, type: text}\n"
	if got, _ = w.storedModel(); !reflect.DeepEqual(got.Entities, m.Entities) || len(w.problems) != 1 {
		t.Errorf("an edit that cannot be carried out gave %+v, problems %q", got.Entities, w.problems)
	}
}
