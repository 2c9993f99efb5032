package faas

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Names of runtime/src/protocol, as net/http spells them.
const (
	healthPath   = "/.ryo-faas/health"
	metricsPath  = "/.ryo-faas/metrics"
	eventsPrefix = "/.ryo-faas/events/"
	reserved     = "/.ryo-faas/"

	headerInstance    = "X-Ryo-Faas-Instance"
	headerInstanceKey = "X-Ryo-Faas-Instance-Key"
	headerError       = "X-Ryo-Faas-Error"
	headerErrorFrom   = "X-Ryo-Faas-Error-From"
	headerRequestID   = "X-Request-Id"
	headerCallID      = "X-Call-Id"
	headerCallAttempt = "X-Call-Attempt"
	headerParams      = "X-Ryo-Faas-Params"
	headerDeadline    = "X-Ryo-Faas-Deadline-Ms"
	headerDelivery    = "X-Ryo-Faas-Delivery"
	headerEventDepth  = "X-Event-Depth"
)

const (
	// How long an instance keeps listening, and refusing, after it was told to stop.
	lameDuck = 100 * time.Millisecond
	// Time for aborted invocations to clean up, and then for connections to close.
	grace = 500 * time.Millisecond
	// Longer than any proxy keeps an idle connection.
	keepAlive = 75 * time.Second
)

var (
	errGone     = errors.New("the connection closed before the answer was complete")
	errDeadline = errors.New("the deadline of the invocation has passed")
	errStopping = errors.New("the instance has to stop")
)

// One running instance. Invariants: 1. A request for another instance runs nothing. 2. Handlers never see the
// platform's own headers, and a call id only if the platform sent it. 3. Nothing a handler does ends the process.
type instance struct {
	options
	handlers *service
	server   *http.Server
	tracer   *tracer
	counts   counts
	draining atomic.Bool

	connections *connections

	mutex    sync.Mutex
	inflight map[*Invocation]struct{}
	idle     chan struct{}
}

type connectionKey struct{}

func newInstance(own options, handlers *service) *instance {
	i := &instance{options: own, handlers: handlers, tracer: newTracer(own), inflight: map[*Invocation]struct{}{}}
	i.connections = &connections{open: map[*connection]struct{}{}, farewell: i.farewell()}
	i.server = &http.Server{
		Handler:     i,
		IdleTimeout: keepAlive,
		ConnState:   i.connections.note,
		ConnContext: func(ctx context.Context, connection net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, connection)
		},
	}
	return i
}

func (i *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !i.guard(w, r) || !i.introduce(w, r) {
		return
	}
	isFromPlatform := i.takeDelivery(r)
	path := r.URL.Path
	if strings.HasPrefix(path, reserved) && !(isFromPlatform && strings.HasPrefix(path, eventsPrefix)) {
		i.serveReserved(w, path)
		return
	}
	if i.draining.Load() {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Connection", "close")
		i.answer(w, r, "FUNCTION_UNAVAILABLE", i.name+" is stopping.")
		return
	}
	handler, code, message := i.handlers.find(path)
	if handler == nil {
		w.Header().Set("Connection", "close")
		i.answer(w, r, code, or(message, i.name+" has no such event handler."))
		return
	}
	if i.bodyLimit > 0 && r.ContentLength > i.bodyLimit {
		w.Header().Set("Connection", "close")
		i.answer(w, r, "PAYLOAD_TOO_LARGE", i.tooLarge())
		return
	}
	invocation := i.admit(w, r)
	if invocation == nil {
		w.Header().Set("Retry-After", "1")
		i.answer(w, r, "FUNCTION_OVERLOADED", i.name+" is already running "+itoa(i.concurrency)+" times.")
		return
	}
	invocation.run(handler, r)
}

// guard answers connections of the platform only, where an instance has a key; see runtime/src/serve/connection-guard.ts.
func (i *instance) guard(w http.ResponseWriter, r *http.Request) bool {
	if i.instanceKey == "" {
		return true
	}
	given := r.Header[headerInstanceKey]
	delete(r.Header, headerInstanceKey)
	isShown := len(given) == 1 && subtle.ConstantTimeCompare([]byte(given[0]), []byte(i.instanceKey)) == 1
	from, _ := r.Context().Value(connectionKey{}).(*connection)
	if from != nil && isShown {
		from.isAdmitted.Store(true)
	}
	if isShown || (from != nil && from.isAdmitted.Load()) {
		return true
	}
	w.Header().Set("Connection", "close")
	writeJSON(w, http.StatusForbidden, map[string]string{"message": "Only the platform is answered here."})
	return false
}

// introduce says which instance this is if the request asks for one; see runtime/src/serve/introduction.ts.
func (i *instance) introduce(w http.ResponseWriter, r *http.Request) bool {
	wanted := r.Header[headerInstance]
	if wanted == nil {
		return true
	}
	delete(r.Header, headerInstance)
	w.Header().Set(headerInstance, i.instance)
	if len(wanted) != 1 || wanted[0] != i.instance {
		writeJSON(w, http.StatusMisdirectedRequest, map[string]string{"message": "This is not the instance " + wanted[0] + "."})
		return false
	}
	w.WriteHeader(http.StatusProcessing)
	delete(w.Header(), headerInstance)
	return true
}

// takeDelivery reports whether the platform sent the request, and hides what only the platform may say.
func (i *instance) takeDelivery(r *http.Request) bool {
	given := r.Header[headerDelivery]
	delete(r.Header, headerDelivery)
	if len(given) == 1 && i.deliveryToken != "" &&
		subtle.ConstantTimeCompare([]byte(given[0]), []byte(i.deliveryToken)) == 1 {
		return true
	}
	delete(r.Header, headerCallID)
	delete(r.Header, headerCallAttempt)
	return false
}

func (i *instance) serveReserved(w http.ResponseWriter, path string) {
	switch path {
	case healthPath:
		status, code := "ok", http.StatusOK
		if i.draining.Load() {
			status, code = "draining", http.StatusServiceUnavailable
		}
		writeJSON(w, code, map[string]any{
			"status": status, "name": i.name, "version": atoi(i.version), "instance": i.instance,
			"inflight": i.size(), "served": i.handlers.served,
		})
	case metricsPath:
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		i.counts.write(w, i.name, i.size())
	default:
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "The platform serves nothing at " + path})
	}
}

// admit returns nil if as many invocations are running as may.
func (i *instance) admit(w http.ResponseWriter, r *http.Request) *Invocation {
	invocation := newInvocation(i, w, r)
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.concurrency > 0 && int64(len(i.inflight)) >= i.concurrency {
		return nil
	}
	i.inflight[invocation] = struct{}{}
	return invocation
}

func (i *instance) release(invocation *Invocation) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	delete(i.inflight, invocation)
	if i.idle != nil && len(i.inflight) == 0 {
		close(i.idle)
		i.idle = nil
	}
}

func (i *instance) size() int {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return len(i.inflight)
}

// drain refuses for a moment, stops listening, lets invocations finish, and aborts what is left. Connections end when
// nothing has arrived on them.
func (i *instance) drain(from *listener) {
	i.draining.Store(true)
	i.abortAll(func(invocation *Invocation) bool { return invocation.isHijacked() })
	time.Sleep(lameDuck)
	from.catchUp(grace)
	_ = from.Close()
	i.connections.end()
	i.waitUntilIdle(i.options.drain)
	i.abortAll(func(*Invocation) bool { return true })
	i.waitUntilIdle(grace)
	i.connections.waitUntilClosed(grace)
	_ = i.server.Close()
	i.handlers.stop()
}

func (i *instance) abortAll(which func(*Invocation) bool) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	for invocation := range i.inflight {
		if which(invocation) {
			invocation.cancel(errStopping)
		}
	}
}

func (i *instance) waitUntilIdle(atMost time.Duration) {
	i.mutex.Lock()
	if len(i.inflight) == 0 {
		i.mutex.Unlock()
		return
	}
	idle := make(chan struct{})
	i.idle = idle
	i.mutex.Unlock()
	select {
	case <-idle:
	case <-time.After(atMost):
	}
}

var statusOf = map[string]int{
	"BAD_REQUEST": 400, "FUNCTION_NOT_FOUND": 404, "HANDLER_NOT_FOUND": 404, "PAYLOAD_TOO_LARGE": 413,
	"FUNCTION_OVERLOADED": 429, "FUNCTION_ERROR": 500, "FUNCTION_UNAVAILABLE": 503, "FUNCTION_TIMEOUT": 504,
}

// answer sends an error of the platform, which its headers tell apart from the function's own.
func (i *instance) answer(w http.ResponseWriter, r *http.Request, code, message string) {
	requestID := r.Header.Get(headerRequestID)
	w.Header().Set(headerError, code)
	w.Header().Set(headerErrorFrom, i.instance)
	w.Header().Set(headerRequestID, requestID)
	writeJSON(w, statusOf[code], map[string]any{
		"error": map[string]string{"code": code, "message": message, "requestId": requestID},
	})
}

func (i *instance) tooLarge() string {
	return "The body is larger than " + itoa(i.bodyLimit) + " bytes."
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, _ := json.Marshal(value)
	body = append(body, '\n')
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", itoa(int64(len(body))))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
