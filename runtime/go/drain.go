package faas

import (
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// How an instance stops without closing a connection on which a request has arrived. After a moment without CPU timers
// come first: connections that nobody has accepted wait in the kernel, and those with a request that nobody has read look
// idle. http.Server.Shutdown closes both.

const (
	// How long a connection that has to end is asked once more for what the kernel has of it, and how often: a moment
	// without CPU may come between.
	lastRead  = 20 * time.Millisecond
	lastReads = 3
	// Between two looks whether connections have ended.
	lookEvery = 5 * time.Millisecond
)

// listener says when all that had connected has been accepted.
type listener struct {
	*net.TCPListener
	connections *connections

	mutex    sync.Mutex
	marker   string
	isMarked chan struct{}
}

func newListener(inner *net.TCPListener, all *connections) *listener {
	return &listener{TCPListener: inner, connections: all, isMarked: make(chan struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.AcceptTCP()
		if err != nil {
			return nil, err
		}
		if !l.isMarker(accepted) {
			return &connection{TCPConn: accepted, all: l.connections}, nil
		}
		_ = accepted.Close()
		close(l.isMarked)
	}
}

func (l *listener) isMarker(accepted *net.TCPConn) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.marker != "" && accepted.RemoteAddr().String() == l.marker
}

// catchUp returns once all that had connected before is accepted, or after atMost. They are accepted in the order in which
// they came, so a connection of our own comes after them.
func (l *listener) catchUp(atMost time.Duration) {
	l.mutex.Lock()
	own, err := net.DialTimeout("tcp", l.Addr().String(), atMost)
	if err == nil {
		l.marker = own.LocalAddr().String()
	}
	l.mutex.Unlock()
	if err != nil {
		return
	}
	defer own.Close()
	select {
	case <-l.isMarked:
	case <-time.After(atMost):
	}
}

// connections of a server that are open and were not hijacked.
type connections struct {
	isEnding atomic.Bool
	// What a connection may hear when it ends, as runtime/src/serve/farewell.ts explains; nothing if it returns nil.
	farewell func(*connection) []byte

	mutex sync.Mutex
	open  map[*connection]struct{}
}

// note is the ConnState of the server.
func (s *connections) note(which net.Conn, state http.ConnState) {
	c, ok := which.(*connection)
	if !ok {
		return
	}
	c.isBusy.Store(state == http.StateActive || state == http.StateHijacked)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch state {
	case http.StateNew:
		s.open[c] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(s.open, c)
	}
}

// end lets each connection end that has nothing to read, now or when it has answered.
func (s *connections) end() {
	s.isEnding.Store(true)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for c := range s.open {
		if !c.isBusy.Load() {
			// Its reader wakes up.
			_ = c.TCPConn.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

func (s *connections) waitUntilClosed(atMost time.Duration) {
	for deadline := time.Now().Add(atMost); time.Now().Before(deadline); time.Sleep(lookEvery) {
		s.mutex.Lock()
		left := len(s.open)
		s.mutex.Unlock()
		if left == 0 {
			return
		}
	}
}

// connection ends itself when it has to: only its reader knows that nothing has arrived.
type connection struct {
	*net.TCPConn
	all *connections
	// From the head of a request to the end of its answer, and once it is hijacked.
	isBusy atomic.Bool
	// It has shown the key of the instance.
	isAdmitted atomic.Bool
}

func (c *connection) Read(into []byte) (int, error) {
	if c.hasToEnd() {
		_ = c.TCPConn.SetReadDeadline(time.Now().Add(lastRead))
	}
	count, err := c.TCPConn.Read(into)
	for again := 0; again < lastReads && errors.Is(err, os.ErrDeadlineExceeded) && c.hasToEnd(); again++ {
		// A deadline that has passed keeps even what is there from being read.
		_ = c.TCPConn.SetReadDeadline(time.Now().Add(lastRead))
		count, err = c.TCPConn.Read(into)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && c.hasToEnd() {
		_, _ = c.TCPConn.Write(c.all.farewell(c))
	}
	return count, err
}

func (c *connection) hasToEnd() bool { return c.all.isEnding.Load() && !c.isBusy.Load() }

// farewell is what a connection may hear when it ends: what may just come was not run.
func (i *instance) farewell() func(*connection) []byte {
	text := []byte("HTTP/1.1 102 Processing\r\n" + headerInstance + ": " + i.instance + "\r\n\r\n" +
		"HTTP/1.1 503 Service Unavailable\r\nX-Ryo-Faas-Error: FUNCTION_UNAVAILABLE\r\n" +
		"X-Ryo-Faas-Error-From: " + i.instance + "\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	return func(to *connection) []byte {
		if i.instanceKey != "" && !to.isAdmitted.Load() {
			return nil
		}
		return text
	}
}
