package proof

import (
	"encoding/json"
	"strings"
	"testing"
)

// awsKey has the form of a credential and is none.
const awsKey = "AKIAQYLPMN5HHHFPZAM2"

func TestSecretScan(t *testing.T) {
	t.Parallel()
	leak := "package x\n\nconst key = \"" + awsKey + "\" // gitleaks:allow\n"
	for name, c := range map[string]struct {
		product files
		verdict Verdict
		words   string
	}{
		"clean":              {plants, Pass, "no secret in"},
		"in code":            {files{"x.go": leak}, Fail, "aws-access-token at x.go:3"},
		"own configuration":  {files{"x.go": leak, ".gitleaks.toml": "[allowlist]\npaths = ['''.*''']\n"}, Fail, "x.go:3"},
		"own ignore file":    {files{"x.go": leak, ".gitleaksignore": "x.go:aws-access-token:3\n"}, Fail, "x.go:3"},
		"where nobody looks": {files{"node_modules/x/index.js": leak, "go.mod": "module x\n"}, Fail, "node_modules/x/index.js:3"},
		"in a lock file":     {files{"go.sum": "example.com/y v1.0.0 h1:" + strings.Repeat("a", 43) + "=\n// " + awsKey + "\n"}, Fail, "go.sum:2"},
		"hashes":             {files{"go.sum": "example.com/secretkey v1.0.0 h1:kX0Qm4Vt0w9pYFZb3c1Ld7Re2Sg6Hj8Nu5Ti4Oy3Pz2=\n"}, Pass, "no secret"},
		"a private key":      {files{"id": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAq7k2Yw1d5Zr9pLx0vQe8Ht3uJm6Ns4Wc2Xb1Rf7Ty5Ui9Op\nq7k2Yw1d5Zr9pLx0vQe8Ht3uJm6Ns4Wc2Xb1Rf7Ty5Ui9OpAb3\n-----END RSA PRIVATE KEY-----\n"}, Fail, "private-key at id:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := run(t, Secrets, c.product)
			want(t, res, c.verdict, c.words)
			if strings.Contains(string(res.Log)+res.Reason, awsKey) {
				t.Error("the result shows the secret")
			}
		})
	}
}

// TestSecretInHistory finds what a later commit of the change took away, and
// not what was there before the change.
func TestSecretInHistory(t *testing.T) {
	t.Parallel()
	const project = "prj_history"
	leak := files{"x.go": "package x\n\nconst key = \"" + awsKey + "\"\n"}
	first := commitOn(t, project, "", half.with(leak))
	second := commitOn(t, project, first, half)
	third := commitOn(t, project, second, half.with(files{"README.md": "x"}))
	res := runOn(t, Subject{Project: project, Type: Secrets, Commit: third})
	want(t, res, Fail, "in the history", "x.go:3 in commit "+first[:12], "revoke")
	res = runOn(t, Subject{Project: project, Type: Secrets, Commit: third, Base: second})
	want(t, res, Pass)
	if res.Figures["commits"] != 0 {
		t.Errorf("%v commits after the base, want 0 besides the commit itself", res.Figures["commits"])
	}
}

// TestHistoryThatIsNotReadIsNotVouchedFor names what was too large to be read,
// by file and commit, unless it was there before the change.
func TestHistoryThatIsNotReadIsNotVouchedFor(t *testing.T) {
	t.Parallel()
	const project = "prj_large_history"
	large := files{"dump.sql": "-- " + awsKey + "\n" + strings.Repeat("x", maxFileRead)}
	first := commitOn(t, project, "", half.with(large))
	second := commitOn(t, project, first, half)
	third := commitOn(t, project, second, half.with(files{"README.md": "x"}))
	res := runOn(t, Subject{Project: project, Type: Secrets, Commit: third})
	want(t, res, Blocked, "in the history", "dump.sql in commit "+first[:12], "8 MB", "waive")
	want(t, runOn(t, Subject{Project: project, Type: Secrets, Commit: third, Base: second}), Pass)
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		product files
		verdict Verdict // of dependency_scan
		number  float64
		words   string
		purls   []string
	}{
		"none": {plants, Pass, 0, "0 dependencies", nil},
		"Go": {
			half.with(files{
				"go.mod": "module example.com/x\n\ngo 1.26\n\nrequire (\n\texample.com/y v1.2.3\n\texample.com/z v0.1.0 // indirect\n)\n",
				"go.sum": "example.com/y v1.2.3 h1:abc=\nexample.com/y v1.2.3/go.mod h1:def=\n",
			}),
			Blocked, 2, "no database of vulnerabilities",
			[]string{"pkg:golang/example.com/y@v1.2.3", "pkg:golang/example.com/z@v0.1.0"},
		},
		"npm asked for": {files{"package.json": `{"dependencies":{"a":"^1.0.0"},"devDependencies":{"@b/c":"2"}}`}, Blocked, 2, "waive", []string{"pkg:npm/%40b/c@2", "pkg:npm/a@^1.0.0"}},
		"npm locked": {
			files{
				"package.json":      `{"dependencies":{"a":"^1.0.0"}}`,
				"package-lock.json": `{"packages":{"":{"version":"1"},"node_modules/a":{"version":"1.0.7","integrity":"sha512-x"},"node_modules/a/node_modules/b":{"version":"3.0.0"}}}`,
			},
			Blocked, 2, "2 dependencies",
			[]string{"pkg:npm/a@1.0.7", "pkg:npm/b@3.0.0"},
		},
		"Go, written closely": {
			half.with(files{"go.mod": "module example.com/x\n\ngo 1.26\n\nrequire(\n\texample.com/y v1.0.0\n)\n"}),
			Blocked, 1, "1 dependencies",
			[]string{"pkg:golang/example.com/y@v1.0.0"},
		},
		"vendored, not required": {
			half.with(files{
				"go.mod":                    "module example.com/x\n\ngo 1.26\n",
				"vendor/modules.txt":        "# example.com/y v1.0.0\nexample.com/y\n# example.com/z => example.com/fork/z v2.0.0\n",
				"vendor/example.com/y/y.go": "package y\n",
			}),
			Blocked, 3, "3 dependencies",
			[]string{"pkg:golang/example.com/y@v1.0.0", "pkg:golang/example.com/z", "pkg:golang/example.com/fork/z@v2.0.0"},
		},
		"vendored, in no list": {
			half.with(files{"go.mod": "module example.com/x\n\ngo 1.20\n", "vendor/example.com/w/w.go": "package w\n"}),
			Blocked, 1, "1 dependencies",
			[]string{"pkg:golang/example.com/w"},
		},
		"required and vendored": {
			half.with(files{
				"go.mod":                    "module example.com/x\n\ngo 1.26\n\nrequire example.com/y v1.0.0\n",
				"vendor/modules.txt":        "# example.com/y v1.0.0\n## explicit\nexample.com/y\n",
				"vendor/example.com/y/y.go": "package y\n",
			}),
			Blocked, 1, "1 dependencies",
			[]string{"pkg:golang/example.com/y@v1.0.0"},
		},
		"npm committed": {
			files{
				"package.json":                              `{"name":"x","dependencies":{"a":"^1.0.0"}}`,
				"node_modules/a/package.json":               `{"name":"a","version":"1.0.7"}`,
				"node_modules/a/esm/package.json":           `{"type":"module"}`,
				"node_modules/a/dist/inner/package.json":    `{"name":"inner","version":"0.1.0"}`,
				"node_modules/a/node_modules/@b/c/index.js": "1\n",
				"node_modules/evil.js":                      "1\n",
				"lib/node_modules/hidden/package.json":      `{"name":"other","version":"4.0.0"}`,
			},
			Blocked, 5, "5 dependencies",
			[]string{"pkg:npm/hidden@4.0.0", "pkg:npm/a@1.0.7", "pkg:npm/%40b/c", "pkg:npm/evil.js", "pkg:npm/inner@0.1.0"},
		},
		"in a sub-folder": {half.with(files{"tools/go.mod": "module example.com/t\n\nrequire example.com/y v1.0.0\n"}), Blocked, 1, "1 dependencies", []string{"pkg:golang/example.com/y@v1.0.0"}},
		"another kind":    {half.with(files{"requirements.txt": "flask\n"}), Blocked, -1, "requirements.txt cannot be read", nil},
		"broken":          {files{"package.json": `{"dependencies":[`}, Fail, -1, "package.json is not valid JSON", nil},
		"a broken go.mod": {files{"go.mod": "module example.com/x\n\nrequire example.com/y\n"}, Fail, -1, "go.mod line 3", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := run(t, Dependencies, c.product)
			want(t, res, c.verdict, c.words)
			bill := run(t, SBOM, c.product)
			if c.number < 0 {
				want(t, bill, c.verdict, c.words)
				return
			}
			want(t, bill, Pass)
			if res.Figures["dependencies"] != c.number || bill.Figures["dependencies"] != c.number {
				t.Errorf("figures %v and %v, want %v", res.Figures, bill.Figures, c.number)
			}
			var got struct {
				BOMFormat  string `json:"bomFormat"`
				Components []struct {
					PURL string `json:"purl"`
				} `json:"components"`
			}
			if err := json.Unmarshal(bill.Reports["sbom.cdx.json"], &got); err != nil || got.BOMFormat != "CycloneDX" || len(got.Components) != len(c.purls) {
				t.Fatalf("%v: %s", err, bill.Reports["sbom.cdx.json"])
			}
			for i, purl := range c.purls {
				if got.Components[i].PURL != purl {
					t.Errorf("component %s, want %s", got.Components[i].PURL, purl)
				}
			}
		})
	}
}
