package bus_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layercake-app/layercake/internal/bus"
)

// A tap hears every channel, in order, and is cut off like anybody else.
func TestATapHearsEveryChannel(t *testing.T) {
	t.Parallel()
	b := bus.New()
	messages, cancel := b.Tap(2)
	b.Publish("a", 1)
	b.Publish("b", 2)
	got, open := drain(messages)
	if diff := cmp.Diff([]any{bus.Message{Channel: "a", Data: 1}, bus.Message{Channel: "b", Data: 2}}, got); diff != "" || !open {
		t.Errorf("open %t (-want +got):\n%s", open, diff)
	}
	for i := range 3 {
		b.Publish("a", i)
	}
	if got, open := drain(messages); open || len(got) != 2 {
		t.Errorf("a slow tap got %v, open %t", got, open)
	}
	b.Publish("a", 4)
	cancel()
	cancel()
}
