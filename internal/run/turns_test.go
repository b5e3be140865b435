package run

import (
	"testing"
	"time"
)

// A turn that comes stops the one before it and waits until that is out.
func TestTurnsOfOneRunDoNotOverlap(t *testing.T) {
	t.Parallel()
	var all turns
	stopped := make(chan struct{})
	release := all.take("run_1", func() { close(stopped) })
	other := all.take("run_2", func() { t.Error("another run was stopped") })
	defer other()
	in := make(chan func())
	go func() { in <- all.take("run_1", func() {}) }()
	<-stopped
	select {
	case <-in:
		t.Fatal("two turns carry one run")
	case <-time.After(20 * time.Millisecond):
	}
	release()
	(<-in)()
	all.take("run_1", func() {})()
}
