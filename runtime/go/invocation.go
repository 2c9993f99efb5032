package faas

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

// Invocation is one run of a handler.
type Invocation struct {
	instance *instance
	request  *http.Request
	cancel   context.CancelCauseFunc
	begun    time.Time
	deadline time.Time
	timer    *time.Timer
	span     *span
	isCold   bool

	// Guards what follows, and every use of the response: the deadline may pass while the handler writes.
	mutex      sync.Mutex
	response   http.ResponseWriter
	isSent     bool
	isOver     bool
	isTaken    bool
	isExpired  bool
	hasFailed  bool
	isReleased bool
	status     int
}

// InvocationOf returns the invocation that ctx (of its request, or of its event) belongs to; nil outside one.
func InvocationOf(ctx context.Context) *Invocation { return invocationOf(ctx) }

// Name of the deployment, as in deploy.json.
func (v *Invocation) Name() string { return v.instance.name }

// RequestID correlates this request across all parts of the platform.
func (v *Invocation) RequestID() string { return v.request.Header.Get(headerRequestID) }

// TraceID of the trace that this invocation is a part of.
func (v *Invocation) TraceID() string { return v.span.traceID }

// CallID of the asynchronous call; empty for a direct request.
func (v *Invocation) CallID() string { return v.request.Header.Get(headerCallID) }

// Attempt of the asynchronous call, counting from 1.
func (v *Invocation) Attempt() int {
	return max(1, atoi(v.request.Header.Get(headerCallAttempt)))
}

func newInvocation(i *instance, w http.ResponseWriter, r *http.Request) *Invocation {
	v := &Invocation{instance: i, response: w, begun: time.Now(), status: http.StatusOK}
	timeout := i.timeout
	if text := r.Header.Get(headerDeadline); text != "" {
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 {
			if left := time.Duration(min(ms, 1<<40)) * time.Millisecond; timeout == 0 || left < timeout {
				timeout = left
			}
		}
		if timeout == 0 {
			timeout = time.Nanosecond
		}
	}
	if timeout > 0 {
		v.deadline = v.begun.Add(timeout)
	}
	return v
}

func (v *Invocation) run(handler http.HandlerFunc, r *http.Request) {
	i := v.instance
	v.isCold = i.counts.begin()
	parent, cancel := context.WithCancelCause(r.Context())
	v.cancel = cancel
	if r.Header.Get(headerRequestID) == "" {
		r.Header.Set(headerRequestID, randomID())
	}
	v.request = r.WithContext(&invocationContext{parent, v})
	v.span = i.tracer.begin(r.Header)
	takeParams(v.request)
	if r.Body != http.NoBody {
		// Otherwise the answer would wait for the end of the request.
		_ = http.NewResponseController(v.response).EnableFullDuplex()
	}
	if i.bodyLimit > 0 && r.Body != http.NoBody {
		v.request.Body = &limitedBody{ReadCloser: r.Body, left: i.bodyLimit, invocation: v}
	}
	if !v.deadline.IsZero() {
		v.timer = time.AfterFunc(time.Until(v.deadline), v.expire)
	}
	defer v.end()
	defer func() {
		if thrown := recover(); thrown != nil {
			v.fail(thrown, debug.Stack())
		}
	}()
	handler(v, v.request)
}

// fail logs what a handler panicked with or returned, and answers with an error of the platform, or cuts
// the answer off if it has begun.
func (v *Invocation) fail(thrown any, stack []byte) {
	v.hasFailed = true
	if thrown != http.ErrAbortHandler && !v.isEcho(thrown) {
		fmt.Fprintf(os.Stderr, "Invocation %s of %s failed: %v\n%s", v.RequestID(), v.Name(), thrown, stack)
		v.span.fail(fmt.Sprint(thrown))
		v.instance.counts.fail()
	}
	v.answer("FUNCTION_ERROR", "The function failed; its log has the details.")
}

func (v *Invocation) isEcho(thrown any) bool {
	err, isError := thrown.(error)
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return isError && v.isOver && (errors.Is(err, context.Canceled) || errors.Is(err, errDeadline))
}

func (v *Invocation) expire() {
	v.mutex.Lock()
	if v.isReleased || v.isTaken {
		v.mutex.Unlock()
		return
	}
	v.isExpired = true
	v.mutex.Unlock()
	within := v.deadline.Sub(v.begun).Milliseconds()
	v.instance.counts.expire()
	fmt.Fprintf(os.Stderr, "Invocation %s of %s exceeded its deadline of %d ms\n", v.RequestID(), v.Name(), within)
	v.answer("FUNCTION_TIMEOUT", fmt.Sprintf("The function did not finish within %d ms.", within))
	v.cancel(errDeadline)
	v.release()
}

// answer is the platform's; whatever the handler writes later is dropped.
func (v *Invocation) answer(code, message string) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.isOver {
		return
	}
	v.isOver = true
	if v.isSent || v.isTaken {
		v.cut()
		return
	}
	header := v.response.Header()
	for name := range header {
		delete(header, name)
	}
	header.Set("Connection", "close")
	v.status = statusOf[code]
	v.instance.answer(v.response, v.request, code, message)
	_ = http.NewResponseController(v.response).Flush()
}

// cut closes the connection, so that nobody takes half an answer for a whole one.
func (v *Invocation) cut() {
	if connection, ok := v.request.Context().Value(connectionKey{}).(net.Conn); ok {
		_ = connection.Close()
	}
}

func (v *Invocation) end() {
	if v.timer != nil {
		v.timer.Stop()
	}
	v.release()
	v.cancel(context.Canceled)
	v.mutex.Lock()
	aborted := v.isOver && v.isSent
	v.mutex.Unlock()
	if aborted {
		panic(http.ErrAbortHandler)
	}
}

func (v *Invocation) release() {
	v.mutex.Lock()
	if v.isReleased {
		v.mutex.Unlock()
		return
	}
	v.isReleased = true
	status, expired := v.status, v.isExpired
	v.mutex.Unlock()
	took := time.Since(v.begun)
	v.instance.counts.observe(took.Seconds())
	v.span.end(v, took, status, expired)
	v.instance.release(v)
}

func (v *Invocation) isHijacked() bool {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return v.isTaken
}

// An Invocation is the http.ResponseWriter of its handler.
func (v *Invocation) Header() http.Header {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.isOver {
		return http.Header{}
	}
	return v.response.Header()
}

// begins is called before something of the answer is sent.
func (v *Invocation) begins() {
	if !v.isSent && v.instance.draining.Load() {
		v.response.Header().Set("Connection", "close")
	}
	v.isSent = true
}

func (v *Invocation) WriteHeader(status int) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.isOver {
		return
	}
	if status >= 200 && !v.isSent {
		v.status = status
		v.begins()
	}
	v.response.WriteHeader(status)
}

func (v *Invocation) Write(data []byte) (int, error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.isOver {
		return 0, http.ErrHandlerTimeout
	}
	v.begins()
	return v.response.Write(data)
}

func (v *Invocation) WriteString(text string) (int, error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.isOver {
		return 0, http.ErrHandlerTimeout
	}
	v.begins()
	return io.WriteString(v.response, text)
}

// Flush sends what has been written so far.
func (v *Invocation) Flush() { _ = v.FlushError() }

func (v *Invocation) FlushError() error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.isOver {
		return http.ErrHandlerTimeout
	}
	v.begins()
	return http.NewResponseController(v.response).Flush()
}

// Hijack gives the connection to the handler: it has no deadline from then on.
func (v *Invocation) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.isOver {
		return nil, nil, http.ErrHandlerTimeout
	}
	connection, buffered, err := http.NewResponseController(v.response).Hijack()
	if err == nil {
		v.isTaken = true
		v.status = http.StatusSwitchingProtocols
	}
	return connection, buffered, err
}

type invocationContext struct {
	context.Context
	invocation *Invocation
}

func (c *invocationContext) Value(key any) any {
	if key == (invocationKey{}) {
		return c.invocation
	}
	return c.Context.Value(key)
}

func (c *invocationContext) Deadline() (time.Time, bool) {
	return c.invocation.deadline, !c.invocation.deadline.IsZero()
}

// takeParams makes what the route pattern took from the path readable with r.PathValue.
func takeParams(r *http.Request) {
	given := r.Header[headerParams]
	if given == nil {
		return
	}
	delete(r.Header, headerParams)
	text, err := url.PathUnescape(given[0])
	params := map[string]string{}
	if err != nil || json.Unmarshal([]byte(text), &params) != nil {
		return
	}
	for name, value := range params {
		r.SetPathValue(name, value)
	}
}

// A limitedBody answers for the handler once more than the limit has been read.
type limitedBody struct {
	io.ReadCloser
	left       int64
	invocation *Invocation
}

func (b *limitedBody) Read(into []byte) (int, error) {
	if int64(len(into)) > b.left+1 {
		into = into[:b.left+1]
	}
	count, err := b.ReadCloser.Read(into)
	if int64(count) > b.left {
		v := b.invocation
		v.answer("PAYLOAD_TOO_LARGE", v.instance.tooLarge())
		return int(b.left), &http.MaxBytesError{Limit: v.instance.bodyLimit}
	}
	b.left -= int64(count)
	return count, err
}

func itoa(value int64) string { return strconv.FormatInt(value, 10) }

func atoi(text string) int {
	value, _ := strconv.Atoi(text)
	return value
}
