package demo

import (
	"maps"
	"path"
	"slices"
	"strconv"
)

func (w *work) additionArchitecture(a addition) string {
	folders := map[string]int{}
	for _, name := range w.files {
		folders[path.Dir(name)]++
	}
	var d markdown
	d.h1("Architecture")
	d.h2("Overview")
	d.p("An existing code base of %d files, and one addition. What is said of the existing part comes from the names of its files alone.", len(w.files))
	d.h2("Components")
	d.header("Folder", "Files")
	names := slices.Sorted(maps.Keys(folders))
	for _, name := range names[:min(len(names), 30)] {
		d.row("`"+name+"`", strconv.Itoa(folders[name]))
	}
	d.row("`"+a.Package+"`", "the addition: keeps and finds "+a.Many)
	d.h2("Data")
	d.p("The addition keeps its entries in memory; `%s` lists their fields. The data of the existing part is not described.", dataModelPath)
	d.h2("Interfaces")
	d.p("`List.Add`, `List.All` and `List.Find`. The addition answers no requests.")
	d.h2("Security")
	d.p("The addition reads no file, no network and no setting. The existing part was not audited for this document.")
	d.h2("Decisions")
	d.item("A package of its own, so that nothing that works can break.")
	d.origin()
	return d.String()
}

func (w *work) additionStack(a addition) string {
	language, manifest := "Go", "go.mod"
	if a.node {
		language, manifest = "JavaScript on Node", "package.json"
	}
	var d markdown
	d.h1("Technology stack")
	d.h2("Choices")
	d.item("%s, as the code base has it.", language)
	d.item("Nothing but the standard library for the addition.")
	d.h2("Alternatives")
	d.item("Another language for the addition: a second tool chain for no gain.")
	d.h2("Versions")
	d.p("Those of `%s`.", manifest)
	d.origin()
	return d.String()
}

// additionDeploy is container and workflow of a code base that has none.
func (w *work) additionDeploy(a addition) map[string][]byte {
	files := map[string][]byte{}
	for name, content := range a.deploy() {
		if !w.has(name) {
			files[name] = content
		}
	}
	return files
}

// operateAddition says of deployment and operation what can be said without
// knowing the code base.
func (w *work) operateAddition(t target) {
	a := w.addition(t.after)
	w.tell("Writing what can be said about running this code base.")
	if w.gate == "G9" {
		text := additionRunbook()
		w.deliver(runbookPath, text, text, nil)
		if !w.has("monitoring/README.md") {
			w.write("monitoring/README.md", "# Monitoring\n\nThe addition runs inside the program and has nothing of its own to watch. What the program itself needs to be\nwatched for, those who know it have to add here.\n")
		}
	} else {
		w.carry(nil, w.additionDeploy(a), false)
		text := additionDeployment(a)
		w.deliver(deploymentPath, text, text, nil)
	}
	w.remark("How this code base is deployed is not known to templates; the guide says so where that matters.")
	w.finish()
}

func additionDeployment(a addition) string {
	build := "`go build ./...` and `go test ./...`"
	if a.node {
		build = "`npm run " + nodeScript + "`"
	}
	var d markdown
	d.h1("Deployment")
	d.h2("Requirements")
	d.item("Those of the program before the addition; the addition needs nothing more.")
	d.h2("Configuration")
	d.item("The addition has no settings. Those of the program are not described here.")
	d.h2("Steps")
	d.item("Check the release commit: %s.", build)
	d.item("Deploy as the program was deployed before; the addition comes along.")
	d.h2("Rollback")
	d.item("Deploy the release before. The addition stores nothing, so nothing has to be put back.")
	d.origin()
	return d.String()
}

func additionRunbook() string {
	var d markdown
	d.h1("Runbook")
	d.h2("Start and stop")
	d.item("As before the addition; it starts and stops with the program.")
	d.h2("Health")
	d.item("The addition has no state of its own that could be unwell.")
	d.h2("Backup")
	d.item("The addition keeps its entries in memory; there is nothing to back up.")
	d.h2("Incidents")
	d.item("An error that names the addition's package: deploy the release before, and keep the message.")
	d.origin()
	return d.String()
}
