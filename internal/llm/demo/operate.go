package demo

import (
	"strings"

	"github.com/layercake-app/layercake/internal/llm/demo/product"
)

const (
	deploymentPath = "docs/DEPLOYMENT.md"
	runbookPath    = "docs/RUNBOOK.md"
)

// operate writes what deployment needs at G8, and what operation needs at G9.
func operate(w *work) {
	t := w.target()
	if t.foreign {
		w.operateAddition(t)
		return
	}
	if w.gate == "G9" {
		w.tell("Writing the runbook and the monitoring.")
		w.carryOrRestore(t.before.Monitoring(), t.after.Monitoring(), w.later(t))
		w.deliver(runbookPath, w.runbook(t.before), w.runbook(t.after), nil)
	} else {
		w.tell("Writing container, workflow and deployment guide.")
		w.carryOrRestore(t.before.Deploy(), t.after.Deploy(), w.later(t))
		w.deliver(deploymentPath, w.deployment(t.before), w.deployment(t.after), nil)
	}
	w.remark("Nothing was deployed by this agent; the platform does that and keeps the log.")
	w.finish()
}

func (w *work) deployment(m product.Model) string {
	var d markdown
	d.h1(m.Title + ": deployment")
	d.h2("Requirements")
	d.item("A container engine, or Go in the version that `go.mod` names.")
	d.item("A folder that survives restarts, owned by the user that runs the application.")
	d.item("Where others than one person reach it: a proxy that ends TLS and signs people in.")
	d.h2("Configuration")
	d.header("Variable", "Default", "Meaning")
	d.row("`PORT`", "8080", "port to listen on")
	d.row("`HOST`", "127.0.0.1", "address to listen on; 0.0.0.0 inside a container")
	d.row("`DATA_DIR`", "data", "folder of the records")
	d.h2("Steps")
	d.p("1. Build: `docker build -t %s:RELEASE .` with the release commit in place of RELEASE.", m.App)
	d.p("2. Copy the data folder to a safe place.")
	d.p("3. Start: `docker run -d --name %s -p 127.0.0.1:8080:8080 -v %s-data:/data %s:RELEASE`.", m.App, m.App, m.App)
	d.p("4. Look: `GET /health` answers 200, and the start page shows the records.")
	d.h2("Rollback")
	d.p("1. Stop the container and start the image of the release before, with the same data folder.")
	d.p("2. If the newer release has written fields the older one does not know, put the copy of the data folder back. What was entered since is lost; write it down before.")
	if w.ml() {
		d.p("3. The suggestion has no file of its own: it goes back with the application.")
	}
	d.origin()
	return d.String()
}

func (w *work) runbook(m product.Model) string {
	var d markdown
	d.h1(m.Title + ": runbook")
	d.h2("Start and stop")
	d.item("Start: `docker start %s`. It listens within a second.", m.App)
	d.item("Stop: `docker stop %s`. Open requests finish first; nothing is lost, because a change is on disk before it is answered.", m.App)
	d.item("One process per data folder: never start a second one on it.")
	d.h2("Health")
	d.item("`GET /health` answers 200 while the application can serve.")
	d.item("`GET /metrics` counts requests by status and records by kind; the rules in `monitoring/` watch it.")
	if w.ml() {
		d.item("Suggestions: `GET %s?text=…` shows on how many records one rests; empty labels on familiar words mean that records are missing.", suggestRoute)
	}
	d.h2("Backup")
	d.item("Copy the data folder: its files are replaced as a whole, so a copy is never half of a change of one file.")
	d.item("Restore: stop, put the copy in place, start, look at the start page.")
	d.h2("Incidents")
	d.header("Sign", "Likely cause", "What to do")
	d.row("does not start, names a file", "a data file was changed by hand or by a newer release", "restore that file from the backup")
	d.row("does not start, cannot listen", "the port is taken", "stop the other process or choose another port")
	d.row("answers 500", "the disk is full or the folder cannot be written", "look at the log, make room, try again")
	d.row("many 4xx", "somebody tries something, or a page is out of date", "look at the log of the proxy")
	d.origin()
	return strings.TrimRight(d.String(), "\n") + "\n"
}
