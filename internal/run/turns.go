package run

import "sync"

// turns holds the turns that this process carries, by run: one after the other.
type turns struct {
	mu   sync.Mutex
	open map[string]*held
}

type held struct {
	stop func()
	done chan struct{}
}

// take waits until nobody else in this process carries the run, after stopping
// whoever does, and returns what ends the turn; stop is how a later one stops it.
func (t *turns) take(runID string, stop func()) (release func()) {
	mine := &held{stop: stop, done: make(chan struct{})}
	for {
		t.mu.Lock()
		before := t.open[runID]
		if before == nil {
			if t.open == nil {
				t.open = map[string]*held{}
			}
			t.open[runID] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.open, runID)
				t.mu.Unlock()
				close(mine.done)
			}
		}
		t.mu.Unlock()
		before.stop()
		<-before.done
	}
}
