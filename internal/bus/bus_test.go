package bus_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/layercake-app/layercake/internal/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func drain(messages <-chan any) (got []any, open bool) {
	for {
		select {
		case msg, ok := <-messages:
			if !ok {
				return got, false
			}
			got = append(got, msg)
		default:
			return got, true
		}
	}
}

func TestMessagesReachTheSubscribersOfTheirChannelInOrder(t *testing.T) {
	t.Parallel()
	b := bus.New()
	b.Publish("a", "too early")
	first, cancelFirst := b.Subscribe("a", 10)
	second, cancelSecond := b.Subscribe("a", 10)
	elsewhere, cancelElsewhere := b.Subscribe("b", 10)
	for i := range 3 {
		b.Publish("a", i)
	}
	for name, messages := range map[string]<-chan any{"first": first, "second": second} {
		got, open := drain(messages)
		if diff := cmp.Diff([]any{0, 1, 2}, got); diff != "" || !open {
			t.Errorf("%s open %t (-want +got):\n%s", name, open, diff)
		}
	}
	if got, _ := drain(elsewhere); got != nil {
		t.Errorf("another channel got %v", got)
	}
	cancelFirst()
	cancelFirst()
	b.Publish("a", 3)
	if got, open := drain(first); got != nil || open {
		t.Errorf("after cancel: %v, open %t", got, open)
	}
	if got, _ := drain(second); len(got) != 1 {
		t.Errorf("the other subscriber got %v, want one message", got)
	}
	cancelSecond()
	cancelElsewhere()
	for _, channel := range []string{"a", "b"} {
		if n := b.Count(channel); n != 0 {
			t.Errorf("%d subscribers of %s left", n, channel)
		}
	}
}

func TestASlowSubscriberIsCutOffAndDelaysNobody(t *testing.T) {
	t.Parallel()
	b := bus.New()
	slow, cancelSlow := b.Subscribe("a", 2)
	defer cancelSlow()
	brisk, cancelBrisk := b.Subscribe("a", 100)
	defer cancelBrisk()
	for i := range 50 {
		b.Publish("a", i)
	}
	got, open := drain(slow)
	if diff := cmp.Diff([]any{0, 1}, got); diff != "" || open {
		t.Errorf("slow open %t (-want +got):\n%s", open, diff)
	}
	if got, open := drain(brisk); len(got) != 50 || !open {
		t.Errorf("brisk got %d, open %t; want 50, true", len(got), open)
	}
	if n := b.Count("a"); n != 1 {
		t.Errorf("%d subscribers, want 1", n)
	}
}

// Whatever is done at once, a subscriber gets a gapless run of each publisher's
// messages from some point on, and ends closed.
func TestAnySubscriberGetsAGaplessRun(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		buffers := rapid.SliceOfN(rapid.IntRange(0, 8), 1, 6).Draw(rt, "buffers")
		publishers := rapid.IntRange(1, 4).Draw(rt, "publishers")
		synctest.Test(t, func(*testing.T) {
			type message struct{ publisher, n int }
			b := bus.New()
			var publishing, reading sync.WaitGroup
			var cancels []func()
			for _, buffer := range buffers {
				messages, cancel := b.Subscribe("a", buffer)
				cancels = append(cancels, cancel)
				reading.Go(func() {
					next := map[int]int{}
					for msg := range messages {
						m, ok := msg.(message)
						if !ok {
							t.Errorf("got %v", msg)
						}
						if want, seen := next[m.publisher]; seen && m.n != want {
							t.Errorf("publisher %d: got %d, want %d", m.publisher, m.n, want)
						}
						next[m.publisher] = m.n + 1
					}
				})
			}
			for p := range publishers {
				publishing.Go(func() {
					for n := range 50 {
						b.Publish("a", message{p, n})
					}
				})
			}
			publishing.Wait()
			for _, cancel := range cancels {
				cancel()
			}
			reading.Wait()
			if n := b.Count("a"); n != 0 {
				t.Errorf("%d subscribers left", n)
			}
		})
	})
}

func BenchmarkPublishTo500(b *testing.B) {
	hub := bus.New()
	for range 500 {
		messages, cancel := hub.Subscribe("a", 1024)
		defer cancel()
		go func() {
			for range messages {
			}
		}()
	}
	for b.Loop() {
		hub.Publish("a", 1)
	}
}
