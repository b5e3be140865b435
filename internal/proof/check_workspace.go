package proof

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/layercake-app/layercake/internal/fault"
)

// checkWorkspace finds out whether work on the project can begin: the commit is
// readable, the project is described, commands can be isolated, the disk can be
// written, and a model answers.
func checkWorkspace(ctx context.Context, w *work) (outcome, error) {
	w.command = "look at the workspace"
	if !w.tree.has("docs/PROJECT.md") {
		return fail("docs/PROJECT.md is missing; the platform writes it when it creates the project"), nil
	}
	w.log.say("the commit is readable: %d files", len(w.tree.files))
	w.figure("files", float64(len(w.tree.files)))
	if err := w.r.cfg.Sandbox.Check(); err != nil {
		return blocked("%s", fault.Public(err)), nil
	}
	isolation := w.r.cfg.Sandbox.Isolation()
	w.log.say("commands are isolated by %s %s", isolation.Kind, isolation.Version)
	probe := filepath.Join(w.tmp, "probe")
	if err := os.WriteFile(probe, make([]byte, 1<<20), 0o600); err != nil {
		return blocked("the server's disk cannot be written; make room in its data folder"), nil
	}
	w.log.say("the disk can be written")
	if w.r.cfg.Model != nil {
		if err := w.r.cfg.Model(ctx); err != nil {
			return blocked("%s", modelTrouble(err)), nil
		}
		w.log.say("a model answers")
	}
	ready := "the repository, the sandbox and the disk are ready"
	if w.r.cfg.Model != nil {
		ready = "the repository, the sandbox, the disk and the model are ready"
	}
	return pass("%s", ready), nil
}

func modelTrouble(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Message
	}
	return fmt.Sprintf("no model answers (%s); check the model settings", shorten(err.Error(), 200))
}
