package proof

import (
	"strings"
	"testing"
)

func TestHonestTestsPass(t *testing.T) {
	t.Parallel()
	for typ, tests := range map[string]float64{Unit: 4, Integration: 1, E2E: 1} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			res := run(t, typ, plants)
			want(t, res, Pass, "passed")
			if res.Figures["tests"] != tests || res.Figures["passed"] != tests || res.Figures["failed"] != 0 {
				t.Errorf("figures %v, want %v tests passed", res.Figures, tests)
			}
			if res.Isolation.Kind != "bubblewrap" {
				t.Errorf("isolation %q", res.Isolation.Kind)
			}
			// Whichever of the three comes first compiles for all.
			log := string(res.Log)
			if !strings.Contains(log, "$ go test -c") && !strings.Contains(log, "compiled already, from the same source") || len(res.Reports["tests.json"]) == 0 {
				t.Errorf("log or report is missing:\n%s", res.Log)
			}
			t.Logf("%s: %d ms", typ, res.Duration.Milliseconds())
			t.Logf("%s", res.Log)
		})
	}
}
