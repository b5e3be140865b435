package flow_test

import (
	"encoding/json"
	"testing"

	"github.com/layercake-app/layercake/internal/project"
)

func unmarshal(data []byte, into any) error { return json.Unmarshal(data, into) }

// TestEveryBlueprintIsCarriedToItsEnd plays each blueprint with each type it is
// for; the modes take turns, and in a soak run each plays all of them.
func TestEveryBlueprintIsCarriedToItsEnd(t *testing.T) {
	t.Parallel()
	turn := 0
	for _, b := range blueprints(t) {
		name := b.Name
		for _, typ := range b.For {
			turn++
			for i, mode := range project.Modes {
				if i != turn%len(project.Modes) && !soak() {
					continue
				}
				t.Run(name+"/"+typ+"/"+mode, func(t *testing.T) {
					t.Parallel()
					w, end := newWorld(t, t.TempDir())
					defer end()
					w.begin(ada, product{ui: mode != "required", api: true, data: true, serves: true, e2e: true}, project.Project{Type: typ, Mode: mode, Tier: "standard"}, b)
					w.finish()
					w.verify()
					if s := w.rows(); s.change.Status != "completed" {
						t.Fatal(w.describe())
					}
					t.Logf("%d steps", w.moves)
				})
			}
		}
	}
}
