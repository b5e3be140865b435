// Package bus tells whoever is listening in this process that something
// happened: published messages reach all present subscribers of a channel, in
// order, and nobody else.
//
// Nothing is kept for those who are not there, and nobody is waited for: a
// subscriber that falls behind by more than its buffer is cut off, which it sees
// as the closing of its Go channel, and reads the truth from the database again.
package bus

import "sync"

// Bus is an in-memory fan-out, safe for use by many goroutines; it runs none.
type Bus struct {
	mu       sync.RWMutex
	channels map[string]map[*subscriber]struct{}
	taps     map[*subscriber]struct{}
}

// Message is what a tap gets: a message with the channel it was published on.
type Message struct {
	Channel string
	Data    any
}

type subscriber struct {
	// mu makes sending and closing exclusive: a publisher holds it while it sends.
	mu     sync.Mutex
	out    chan any
	closed bool
}

// New returns a Bus without subscribers.
func New() *Bus {
	return &Bus{channels: map[string]map[*subscriber]struct{}{}, taps: map[*subscriber]struct{}{}}
}

// Publish hands msg to every subscriber of channel and never blocks. Messages of
// one publishing goroutine arrive in order; msg is shared, so nobody changes it.
func (b *Bus) Publish(channel string, msg any) {
	b.mu.RLock()
	var slow []*subscriber
	for s := range b.channels[channel] {
		if !s.send(msg) {
			slow = append(slow, s)
		}
	}
	for s := range b.taps {
		if !s.send(Message{channel, msg}) {
			slow = append(slow, s)
		}
	}
	b.mu.RUnlock()
	for _, s := range slow {
		b.remove(channel, s)
	}
}

// Tap returns what is published on any channel from now on, each a Message, under
// the same terms as Subscribe.
func (b *Bus) Tap(buffer int) (messages <-chan any, cancel func()) {
	s := &subscriber{out: make(chan any, max(buffer, 1))}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taps[s] = struct{}{}
	return s.out, func() { b.remove("", s) }
}

// Subscribe returns the messages published on channel from now on. The returned
// Go channel holds up to buffer unread messages (at least one) and is closed by
// cancel, or when one more arrives. cancel may be called many times.
func (b *Bus) Subscribe(channel string, buffer int) (messages <-chan any, cancel func()) {
	s := &subscriber{out: make(chan any, max(buffer, 1))}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.channels[channel] == nil {
		b.channels[channel] = map[*subscriber]struct{}{}
	}
	b.channels[channel][s] = struct{}{}
	return s.out, func() { b.remove(channel, s) }
}

// Count returns how many subscribers channel has.
func (b *Bus) Count(channel string) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.channels[channel])
}

func (b *Bus) remove(channel string, s *subscriber) {
	s.close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.taps, s)
	delete(b.channels[channel], s)
	if len(b.channels[channel]) == 0 {
		delete(b.channels, channel)
	}
}

// send reports whether s is still served. A subscriber whose buffer is full is
// closed at once, so that it gets no later message after a missing one.
func (s *subscriber) send(msg any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	select {
	case s.out <- msg:
		return true
	default:
		s.closed = true
		close(s.out)
		return false
	}
}

func (s *subscriber) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.out)
	}
}
