package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

// component is a dependency with the ecosystem it comes from.
type component struct {
	module
	ecosystem string // golang, npm
	manifest  string
	asked     bool // Version is a range that a manifest asks for
}

// unreadManifests are those of ecosystems whose dependencies are not listed.
var unreadManifests = []string{
	"requirements.txt", "pyproject.toml", "Pipfile", "Cargo.toml", "Gemfile", "pom.xml", "build.gradle", "composer.json",
}

// inventory is what a product depends on. unread names manifests whose content
// is unknown.
type inventory struct {
	components []component
	manifests  []string
	unread     []string
}

// takeInventory reads every manifest of the commit; its error is for people.
func (w *work) takeInventory() (inventory, error) {
	var inv inventory
	for _, name := range w.tree.files {
		if ignoredDir(path.Dir(name)) {
			continue
		}
		var found []component
		var err error
		switch base := path.Base(name); {
		case base == "go.mod":
			found, err = w.goComponents(name)
		case base == "package.json":
			found, err = w.npmComponents(name)
		case slices.Contains(unreadManifests, base):
			inv.unread = append(inv.unread, name)
			continue
		default:
			continue
		}
		if err != nil {
			return inv, err
		}
		inv.manifests = append(inv.manifests, name)
		inv.components = append(inv.components, found...)
	}
	committed, err := w.tree.nodeModules()
	if err != nil {
		return inv, err
	}
	inv.components = distinct(inv.components, committed)
	return inv, nil
}

// distinct adds what is committed below node_modules to what manifests list. A
// range that a manifest asks for gives way to the version that is there, and
// nothing is listed twice.
func distinct(listed, committed []component) []component {
	there := map[string]bool{}
	for _, c := range committed {
		there[c.Name] = true
	}
	listed = slices.DeleteFunc(listed, func(c component) bool { return c.asked && there[c.Name] })
	var out []component
	seen := map[string]bool{}
	for _, c := range slices.Concat(listed, committed) {
		key := c.ecosystem + " " + c.Name + " " + c.Version
		if !seen[key] {
			seen[key] = true
			out = append(out, c)
		}
	}
	return out
}

func (w *work) goComponents(name string) ([]component, error) {
	data, err := w.tree.read(name)
	if err != nil {
		return nil, err
	}
	m, err := parseGoMod(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	sums := map[string]string{}
	if data, err := w.tree.read(path.Join(path.Dir(name), "go.sum")); err == nil {
		sums = parseGoSum(data)
	}
	var out []component
	for _, r := range m.requires {
		r.Hash = sums[r.Name+" "+r.Version]
		out = append(out, component{module: r, ecosystem: "golang", manifest: name})
	}
	for _, r := range m.replaces {
		w.log.say("%s replaces %s", name, r)
	}
	vendored, err := w.tree.vendoredModules(name)
	if err != nil {
		return nil, err
	}
	for _, v := range vendored {
		listed := slices.ContainsFunc(m.requires, func(r module) bool { return r.Name == v.Name && r.Version == v.Version })
		if !listed {
			v.Hash = sums[v.Name+" "+v.Version]
			out = append(out, component{module: v, ecosystem: "golang", manifest: path.Join(path.Dir(name), "vendor")})
		}
	}
	return out, nil
}

// nodeModules lists what is committed below folders named node_modules, whether
// a manifest asks for it or not: every entry of such a folder, and every package
// within it that has a name and a version.
func (t *tree) nodeModules() ([]component, error) {
	entries, manifests := map[string]component{}, []string{}
	for _, name := range t.files {
		at := strings.LastIndex("/"+name, "/node_modules/")
		if at < 0 {
			continue
		}
		parts := strings.Split(("/" + name)[at+len("/node_modules/"):], "/")
		if strings.HasPrefix(parts[0], ".") {
			continue
		}
		entry := parts[0]
		if strings.HasPrefix(entry, "@") && len(parts) > 1 {
			entry += "/" + parts[1]
		}
		folder := ("/" + name)[1:at+len("/node_modules/")] + entry
		if _, ok := entries[folder]; !ok {
			entries[folder] = component{module: module{Name: entry}, ecosystem: "npm", manifest: folder}
		}
		if path.Base(name) == "package.json" {
			manifests = append(manifests, name)
		}
	}
	var inner []component
	for _, name := range manifests {
		var p packageJSON
		data, err := t.read(name)
		if err != nil {
			return nil, err
		}
		if json.Unmarshal(data, &p) != nil {
			continue // the entry is listed without a version
		}
		if e, ok := entries[path.Dir(name)]; ok {
			e.Version = p.Version
			entries[path.Dir(name)] = e
		} else if p.Name != "" && p.Version != "" {
			inner = append(inner, component{module: module{Name: p.Name, Version: p.Version}, ecosystem: "npm", manifest: name})
		}
	}
	var out []component
	for _, folder := range slices.Sorted(maps.Keys(entries)) {
		out = append(out, entries[folder])
	}
	return append(out, inner...), nil
}

// npmComponents lists what package-lock.json installs, or what the manifest
// asks for when nothing is locked.
func (w *work) npmComponents(name string) ([]component, error) {
	data, err := w.tree.read(name)
	if err != nil {
		return nil, err
	}
	var manifest packageJSON
	if err := json.Unmarshal(data, &manifest); err != nil {
		return nil, fmt.Errorf("%s is not valid JSON", name)
	}
	var out []component
	lockName := path.Join(path.Dir(name), "package-lock.json")
	if w.tree.has(lockName) {
		var lock struct {
			Packages map[string]struct {
				Version   string `json:"version"`
				Integrity string `json:"integrity"`
			} `json:"packages"`
		}
		data, err := w.tree.read(lockName)
		if err != nil || json.Unmarshal(data, &lock) != nil {
			return nil, fmt.Errorf("%s is not valid JSON", lockName)
		}
		for _, at := range slices.Sorted(maps.Keys(lock.Packages)) {
			if i := strings.LastIndex(at, "node_modules/"); i >= 0 {
				p := lock.Packages[at]
				out = append(out, component{ecosystem: "npm", manifest: name, module: module{
					Name: at[i+len("node_modules/"):], Version: p.Version, Hash: p.Integrity,
				}})
			}
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	asked := map[string]string{}
	for _, group := range []map[string]string{manifest.Dependencies, manifest.DevDependencies, manifest.OptionalDependencies} {
		maps.Copy(asked, group)
	}
	for _, dep := range slices.Sorted(maps.Keys(asked)) {
		out = append(out, component{ecosystem: "npm", manifest: name, asked: true, module: module{Name: dep, Version: asked[dep]}})
	}
	return out, nil
}

// checkDependencies compares the dependencies with known vulnerabilities. No
// dependency needs no database.
func checkDependencies(_ context.Context, w *work) (outcome, error) {
	w.command = "list dependencies and compare them with known vulnerabilities"
	inv, out := w.inventoryOrBlocked()
	if out != nil {
		return *out, nil
	}
	for _, c := range inv.components {
		w.log.say("%s: %s %s", c.manifest, c.Name, c.Version)
	}
	w.figure("dependencies", float64(len(inv.components)))
	w.figure("findings", 0)
	if len(inv.components) > 0 {
		delete(w.figures, "findings")
		return blocked("%d dependencies are listed, and this server has no database of vulnerabilities to compare them with; "+
			"have a person look at the list and waive this proof with the reason, or remove the dependencies", len(inv.components)), nil
	}
	return pass("0 dependencies beyond the standard library, in %s", list(inv.manifests)), nil
}

// inventoryOrBlocked refuses an inventory that would not be complete.
func (w *work) inventoryOrBlocked() (inventory, *outcome) {
	inv, err := w.takeInventory()
	var out outcome
	switch {
	case err != nil:
		out = fail("%s", err)
	case len(inv.unread) > 0:
		out = blocked("the dependencies in %s cannot be read by this version; have a person list them and waive this proof with the reason", list(inv.unread))
	case len(inv.manifests) == 0:
		out = blocked("there is no manifest (go.mod, package.json) to read dependencies from; add one")
	default:
		return inv, nil
	}
	return inv, &out
}

// checkSBOM writes the bill of materials in CycloneDX form.
func checkSBOM(_ context.Context, w *work) (outcome, error) {
	w.command = "write a CycloneDX bill of materials"
	inv, out := w.inventoryOrBlocked()
	if out != nil {
		return *out, nil
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: &cyclonedx.Component{
		BOMRef: "product", Type: cyclonedx.ComponentTypeApplication, Name: w.productName(), Version: short(w.subject.Commit),
	}}
	components, refs := []cyclonedx.Component{}, []string{}
	seen := map[string]bool{}
	for _, c := range inv.components {
		purl := "pkg:" + c.ecosystem + "/" + strings.ReplaceAll(c.Name, "@", "%40")
		if c.Version != "" {
			purl += "@" + c.Version
		}
		if seen[purl] {
			continue
		}
		seen[purl] = true
		item := cyclonedx.Component{BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: c.Name, Version: c.Version, PackageURL: purl}
		if c.Hash != "" {
			item.Properties = &[]cyclonedx.Property{{Name: "lock:hash", Value: c.Hash}}
		}
		components, refs = append(components, item), append(refs, purl)
		w.log.say("%s", purl)
	}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: "product", Dependencies: &refs}}
	var text bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&text, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return outcome{}, fmt.Errorf("write bill of materials: %w", err)
	}
	w.reports["sbom.cdx.json"] = text.Bytes()
	w.figure("dependencies", float64(len(components)))
	return pass("%d dependencies listed from %s", len(components), list(inv.manifests)), nil
}

// productName is what the product's manifest calls it.
func (w *work) productName() string {
	if data, err := w.tree.read("go.mod"); err == nil {
		if m, err := parseGoMod(data); err == nil {
			return m.path
		}
	}
	if p, err := readPackageJSON(w.tree); err == nil && p.Name != "" {
		return p.Name
	}
	return "product"
}
