package proof

import (
	"maps"
	"testing"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

// TestDemoProduct runs every check of a release on what the demo model builds.
func TestDemoProduct(t *testing.T) {
	t.Parallel()
	m := product.Read("A web app to keep track of house plants: name, room, how often to water, and when each was last watered.")
	all := files{RecipesPath: string(m.ChecksYAML()), "specs/openapi.yaml": string(m.OpenAPI())}
	parts := map[string][]byte{}
	for _, part := range []map[string][]byte{m.Scaffold(), m.Backend(), m.Frontend(product.Styles()[0]), m.Tests(), m.Deploy(), m.Monitoring()} {
		maps.Copy(parts, part)
	}
	for name, text := range parts {
		all[name] = string(text)
	}
	const project = "prj_demo"
	c := commitOn(t, project, "", all)
	for _, typ := range []string{Spec, Build, Lint, Preview, Unit, Integration, E2E, Coverage, Secrets, Dependencies, SBOM, Deployment, Smoke} {
		res := runOn(t, Subject{Project: project, Gate: "G8", Type: typ, Commit: c, Tier: 80})
		t.Logf("%-24s %6d ms %v %s", typ, res.Duration.Milliseconds(), res.Figures, res.Reason)
		if res.Verdict != Pass {
			t.Errorf("%s: %s: %s\n%s", typ, res.Verdict, res.Reason, res.Log)
		}
	}
}
