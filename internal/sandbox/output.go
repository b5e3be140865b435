package sandbox

import (
	"io"
	"sync"
)

// meter passes bytes on until its allowance is spent, counting over all the
// writers it guards, and never lets two of them write at once.
type meter struct {
	mu   sync.Mutex
	left int64
	cut  bool
	err  error
	// stop is closed once: when the allowance is passed or a writer failed.
	stop     chan struct{}
	stopOnce sync.Once
}

func newMeter(allowance int64) *meter {
	return &meter{left: allowance, stop: make(chan struct{})}
}

// drain copies r to w until r ends or the meter stops, and returns what was
// read first, at most headBytes of it.
func (m *meter) drain(w io.Writer, r io.Reader) (head []byte) {
	buf := make([]byte, 32*kib)
	for {
		n, err := r.Read(buf)
		if room := headBytes - len(head); room > 0 && n > 0 {
			head = append(head, buf[:min(n, room)]...)
		}
		if n > 0 && !m.pass(w, buf[:n]) {
			return head
		}
		if err != nil {
			return head
		}
	}
}

const headBytes = 4096

func (m *meter) pass(w io.Writer, p []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cut || m.err != nil {
		return false
	}
	if int64(len(p)) > m.left {
		p, m.cut = p[:m.left], true
	}
	m.left -= int64(len(p))
	if w != nil && len(p) > 0 {
		_, m.err = w.Write(p)
	}
	if m.cut || m.err != nil {
		m.stopOnce.Do(func() { close(m.stop) })
		return false
	}
	return true
}

// outcome reports whether output was cut, and the first error of a writer.
func (m *meter) outcome() (cut bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cut, m.err
}

// ring keeps the newest bytes written to it.
type ring struct {
	mu   sync.Mutex
	buf  []byte
	next int
	full bool
}

func newRing(size int) *ring { return &ring{buf: make([]byte, size)} }

// Write never fails.
func (r *ring) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(p)
	if n > len(r.buf) {
		p = p[n-len(r.buf):]
	}
	for len(p) > 0 {
		c := copy(r.buf[r.next:], p)
		p = p[c:]
		r.next += c
		if r.next == len(r.buf) {
			r.next, r.full = 0, true
		}
	}
	return n, nil
}

func (r *ring) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.full {
		return string(r.buf[:r.next])
	}
	return string(r.buf[r.next:]) + string(r.buf[:r.next])
}

// shut closes what has nothing left to lose by it.
func shut(c io.Closer) { _ = c.Close() }
