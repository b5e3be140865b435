package proof

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		product files
		verdict Verdict
		words   []string
	}{
		"answers": {plants, Pass, []string{"2 path(s) answer"}},
		"ends":    {plants.with(files{"cmd/plants/main.go": "package main\n\nimport \"os\"\n\nfunc main() {\n\tprintln(\"no port\")\n\tos.Exit(3)\n}\n"}), Fail, []string{"exit code 3"}},
		"a missing path": {
			plants.with(files{RecipesPath: strings.Replace(plants[RecipesPath], "- /\n", "- /nowhere\n", 1)}), Fail,
			[]string{"the product starts, and GET /nowhere: answered 404"},
		},
		"wrong JSON": {
			plants.with(files{"internal/web/web.go": strings.Replace(plants["internal/web/web.go"], "_ = json.NewEncoder(w).Encode(s.All())", `fmt.Fprint(w, "[oops")`, 1)}), Fail,
			[]string{"GET /api/plants: the answer says that it is JSON, and is not"},
		},
		"no program": {plants.with(files{RecipesPath: strings.Replace(plants[RecipesPath], "./cmd/plants", "./internal/web", 1)}), Fail, []string{"there is no main package in it"}},
		"wrong recipes": {
			plants.with(files{RecipesPath: "version: 1\nstack: rust\n"}), Blocked, []string{"stack is \"rust\""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := run(t, Preview, c.product)
			want(t, res, c.verdict, c.words...)
			t.Logf("%d ms", res.Duration.Milliseconds())
		})
	}
}

// TestDeployAndSmoke deploys a release, smokes it, and deploys the next one on
// the same data.
func TestDeployAndSmoke(t *testing.T) {
	t.Parallel()
	r := platform(t)
	const project = "prj_deploy"
	first := commitOn(t, project, "", plants)
	deploy := runOn(t, Subject{Project: project, Gate: "G8", Type: Deployment, Commit: first})
	want(t, deploy, Pass, "is deployed, starts and is healthy", first[:12])
	if !strings.Contains(string(deploy.Log), "listening") {
		t.Errorf("the log is not the application's:\n%s", deploy.Log)
	}
	folder := filepath.Join(r.cfg.Deployments, project, "g8")
	for _, file := range []string{"bin/plants", "src/go.mod"} {
		if _, err := os.Stat(filepath.Join(folder, "releases", first, file)); err != nil {
			t.Error(err)
		}
	}
	smoke := runOn(t, Subject{Project: project, Gate: "G8", Type: Smoke, Commit: first})
	want(t, smoke, Pass, "4 request(s) answered as declared, 3 again after a restart")
	if left, err := os.ReadDir(filepath.Join(folder, "data")); err != nil || len(left) != 0 {
		t.Errorf("the smoke test left data behind: %v %v", left, err)
	}
	t.Logf("deployment %d ms, smoke %d ms", deploy.Duration.Milliseconds(), smoke.Duration.Milliseconds())

	forgetful := plants.with(files{"internal/store/store.go": strings.Replace(plants["internal/store/store.go"], "return os.WriteFile(s.file, data, 0o600)", "_ = data\n\treturn nil", 1)})
	second := commitOn(t, project, first, forgetful)
	lost := runOn(t, Subject{Project: project, Gate: "G8", Type: Smoke, Commit: second})
	want(t, lost, Fail, "after a restart on its own data", `does not contain "Basil"`)

	crashing := commitOn(t, project, second, plants.with(files{"cmd/plants/main.go": "package main\n\nfunc main() { panic(\"boom\") }\n"}))
	broken := runOn(t, Subject{Project: project, Gate: "G9", Type: Deployment, Commit: crashing})
	want(t, broken, Fail, "ended with exit code 2")
	if !strings.Contains(string(broken.Log), "boom") {
		t.Errorf("the log does not say why:\n%s", broken.Log)
	}
}

// TestDeployingALibrary puts a product in place that has nothing to start.
func TestDeployingALibrary(t *testing.T) {
	t.Parallel()
	res := runOn(t, Subject{Project: testProject, Gate: "G8", Type: Deployment, Commit: commit(t, half)})
	want(t, res, Pass, "serves nothing that could be started")
}
