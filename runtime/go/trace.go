package faas

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// A tracer decides which spans are recorded, as runtime/src/telemetry does: those of sampled traces, and of the others
// those that failed or were slow. Without a collector nothing is recorded, and trace contexts pass through.
type tracer struct {
	options
	settings   struct{ PerSecond, Ratio, SlowMs float64 }
	exporter   *exporter
	mutex      sync.Mutex
	traces     sampler
	exceptions sampler
}

func newTracer(own options) *tracer {
	t := &tracer{options: own}
	t.settings.PerSecond, t.settings.Ratio, t.settings.SlowMs = 50, 0.001, 1_000
	if own.tracesURL != "" {
		if own.traceSampling != "" {
			_ = json.Unmarshal([]byte(own.traceSampling), &t.settings)
		}
		t.exporter = newExporter(own)
	}
	return t
}

func (t *tracer) close() {
	if t.exporter != nil {
		t.exporter.close()
	}
}

type sampler struct {
	second time.Time
	begun  float64
}

func (s *sampler) decide(perSecond, ratio float64) bool {
	if now := time.Now(); now.Sub(s.second) >= time.Second {
		s.second, s.begun = now, 0
	}
	s.begun++
	return s.begun <= perSecond || rand.Float64() < ratio
}

type span struct {
	tracer                    *tracer
	traceID, spanID, parentID string
	flags                     byte
	state, baggage            string

	// What the handler adds, from any goroutine.
	mutex      sync.Mutex
	attributes map[string]any
	events     []event
	dropped    int
}

type event struct {
	name       string
	time       time.Time
	attributes map[string]any
}

const maxEvents = 128

// All zeros are not an id.
var traceParent = regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$`)

const (
	sampled = 1
	random  = 2
)

// begin makes the span of a request: a child of the caller's, or the first of a new trace.
func (t *tracer) begin(header http.Header) *span {
	s := &span{tracer: t, spanID: hexID(1), flags: random, baggage: header.Get("Baggage")}
	parts := traceParent.FindStringSubmatch(strings.TrimSpace(header.Get("Traceparent")))
	if parts != nil && parts[1] != "ff" && !(parts[1] == "00" && parts[5] != "") &&
		strings.Trim(parts[2], "0") != "" && strings.Trim(parts[3], "0") != "" {
		s.traceID, s.parentID, s.state = parts[2], parts[3], strings.Join(header["Tracestate"], ",")
		s.flags = (unhex(parts[4][1])) & (sampled | random)
		if t.exporter == nil {
			s.spanID = s.parentID
		}
		return s
	}
	s.traceID = hexID(2)
	if t.exporter != nil {
		t.mutex.Lock()
		defer t.mutex.Unlock()
		if t.traces.decide(t.settings.PerSecond, t.settings.Ratio) {
			s.flags |= sampled
		}
	}
	return s
}

// child is the span of something within this one.
func (s *span) child() *span {
	own := &span{
		tracer: s.tracer, traceID: s.traceID, spanID: s.spanID, parentID: s.parentID,
		flags: s.flags, state: s.state, baggage: s.baggage,
	}
	if s.tracer.exporter != nil {
		own.parentID, own.spanID = s.spanID, hexID(1)
	}
	return own
}

func (s *span) header() string {
	return fmt.Sprintf("00-%s-%s-0%d", s.traceID, s.spanID, s.flags)
}

func (s *span) fail(message string) {
	s.addEvent("exception", map[string]any{"exception.type": "error", "exception.message": message})
}

func (s *span) addEvent(name string, attributes map[string]any) {
	if s.tracer.exporter == nil {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.events) >= maxEvents {
		s.dropped++
		return
	}
	s.events = append(s.events, event{name, time.Now(), attributes})
}

// SetAttribute describes the invocation in its span: a string, a bool or a number.
func (v *Invocation) SetAttribute(key string, value any) {
	if v.span.tracer.exporter == nil {
		return
	}
	v.span.mutex.Lock()
	defer v.span.mutex.Unlock()
	if v.span.attributes == nil {
		v.span.attributes = map[string]any{}
	}
	v.span.attributes[key] = value
}

// AddEvent notes in the span of the invocation that something happened now.
func (v *Invocation) AddEvent(name string, attributes map[string]any) {
	v.span.addEvent(name, attributes)
}

// Baggage returns what the sender of the trace said about it (W3C Baggage); empty if nothing.
func (v *Invocation) Baggage(key string) string {
	for _, member := range strings.Split(v.span.baggage, ",") {
		member, _, _ = strings.Cut(member, ";")
		name, value, _ := strings.Cut(member, "=")
		if strings.TrimSpace(name) == key {
			decoded, err := url.PathUnescape(strings.TrimSpace(value))
			if err == nil {
				return decoded
			}
		}
	}
	return ""
}

func (s *span) isWorth(isError bool, took time.Duration) bool {
	t := s.tracer
	if t.exporter == nil {
		return false
	}
	if s.flags&sampled != 0 {
		return true
	}
	isSlow := t.settings.SlowMs > 0 && float64(took.Milliseconds()) >= t.settings.SlowMs
	if !isError && !isSlow {
		return false
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.exceptions.decide(t.settings.PerSecond, 0)
}

// end records the span of an invocation if it is worth it.
func (s *span) end(v *Invocation, took time.Duration, status int, isExpired bool) {
	isError := v.hasFailed || isExpired || status >= 500
	if !s.isWorth(isError, took) {
		return
	}
	trigger := "http"
	if v.CallID() != "" {
		trigger = "pubsub"
		if strings.HasPrefix(v.request.Header.Get("Content-Type"), "application/cloudevents") {
			trigger = "datasource"
		}
	}
	kind := ""
	switch {
	case isExpired:
		kind = "FUNCTION_TIMEOUT"
	case v.hasFailed:
		kind = "FUNCTION_ERROR"
	case status >= 500:
		kind = itoa(int64(status))
	}
	described := map[string]any{
		"faas.name": s.tracer.name, "faas.version": s.tracer.version, "faas.instance": s.tracer.instance,
		"faas.coldstart": v.isCold, "faas.trigger": trigger, "faas.invocation_id": v.CallID(),
		"ryo_faas.request_id": v.RequestID(), "http.request.method": v.request.Method, "url.path": v.request.URL.Path,
		"http.response.status_code": status, "error.type": kind,
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.dropped > 0 {
		described["ryo_faas.dropped_events"] = s.dropped
	}
	for key, value := range s.attributes {
		described[key] = value
	}
	end := recorded{name: s.tracer.name, kind: 2, took: took, isError: isError, attributes: described}
	end.events, s.events = s.events, nil
	s.record(end)
}

// tracedTransport carries the trace of the invocation in whose context a request is sent, and records it as a span. A
// traceparent that is there already is left alone.
type tracedTransport struct{ next http.RoundTripper }

func (t *tracedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	v := invocationOf(request.Context())
	if v == nil || request.Header.Get("Traceparent") != "" {
		return t.next.RoundTrip(request)
	}
	s := v.span.child()
	request = request.Clone(request.Context())
	request.Header.Set("Traceparent", s.header())
	if s.state != "" {
		request.Header.Set("Tracestate", s.state)
	}
	if s.baggage != "" && request.Header.Get("Baggage") == "" {
		request.Header.Set("Baggage", s.baggage)
	}
	begun := time.Now()
	response, err := t.next.RoundTrip(request)
	took := time.Since(begun)
	if isError := err != nil || response.StatusCode >= 500; s.isWorth(isError, took) {
		s.record(clientSpan(v, request, response, recorded{kind: 3, took: took, isError: isError}))
	}
	return response, err
}

// Query and user info of the URL are left out: they may be secrets.
func clientSpan(v *Invocation, request *http.Request, response *http.Response, end recorded) recorded {
	end.name = request.Method
	end.attributes = map[string]any{
		"http.request.method": request.Method,
		"url.full":            request.URL.Scheme + "://" + request.URL.Host + request.URL.EscapedPath(),
		"server.address":      request.URL.Hostname(),
	}
	if response != nil {
		end.attributes["http.response.status_code"] = response.StatusCode
	}
	own := v.instance
	if rest, found := strings.CutPrefix(request.URL.Path, "/functions/"); found && own.proxyURL != nil && own.proxyURL.Host == request.URL.Host {
		name, _, _ := strings.Cut(rest, "/")
		end.name = "call " + name
		end.attributes["faas.invoked_name"], end.attributes["faas.invoked_provider"] = name, "ryo-faas"
	} else if own.storeURL != nil && own.storeURL.Host == request.URL.Host {
		end.name = "store " + request.Method
		end.attributes["db.system.name"] = "ryo-faas"
	}
	return end
}

// hexID is random, and not zero but by chance of 2^-64.
func hexID(words int) string {
	id := make([]byte, 0, 16)
	for range words {
		id = binary.BigEndian.AppendUint64(id, rand.Uint64())
	}
	return fmt.Sprintf("%x", id)
}

func unhex(digit byte) byte {
	if digit >= 'a' {
		return digit - 'a' + 10
	}
	return digit - '0'
}
