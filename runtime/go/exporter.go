package faas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	maxQueued    = 4_096
	maxBatch     = 512
	sendInterval = 250 * time.Millisecond
	sendTimeout  = 5 * time.Second
	lastTimeout  = time.Second
)

type recorded struct {
	span       *span
	name       string
	kind       int
	took       time.Duration
	ended      time.Time
	isError    bool
	attributes map[string]any
	events     []event
}

func (s *span) record(end recorded) {
	end.span, end.ended = s, time.Now()
	s.tracer.exporter.add(end)
}

// An exporter sends spans to the collector in batches (OTLP over HTTP, as JSON), and slows nothing down: at most
// maxQueued are held, and a batch that cannot be sent is dropped.
type exporter struct {
	url, token string
	resource   []any
	client     *http.Client
	mutex      sync.Mutex
	queue      []recorded
	isWaiting  bool
}

func newExporter(own options) *exporter {
	return &exporter{
		url: own.tracesURL, token: own.token,
		resource: attributes(map[string]any{
			"service.name": own.name, "service.version": own.version, "service.instance.id": own.instance,
		}),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: sendTimeout},
	}
}

func (e *exporter) add(span recorded) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if len(e.queue) >= maxQueued {
		return
	}
	e.queue = append(e.queue, span)
	if !e.isWaiting {
		e.isWaiting = true
		time.AfterFunc(sendInterval, e.send)
	}
}

func (e *exporter) send() {
	for {
		e.mutex.Lock()
		batch := e.queue[:min(maxBatch, len(e.queue))]
		e.queue = e.queue[len(batch):]
		if len(batch) == 0 {
			e.isWaiting = false
			e.queue = nil
			e.mutex.Unlock()
			return
		}
		e.mutex.Unlock()
		e.post(batch)
	}
}

func (e *exporter) close() {
	e.client.Timeout = lastTimeout
	e.send()
}

func (e *exporter) post(batch []recorded) {
	spans := make([]any, len(batch))
	for index, span := range batch {
		spans[index] = encoded(span)
	}
	body, err := json.Marshal(map[string]any{"resourceSpans": []any{map[string]any{
		"resource":   map[string]any{"attributes": e.resource},
		"scopeSpans": []any{map[string]any{"scope": map[string]string{"name": "ryo-faas"}, "spans": spans}},
	}}})
	if err != nil {
		return
	}
	request, err := http.NewRequest(http.MethodPost, e.url+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		return
	}
	request.Header.Set("Content-Type", "application/json")
	if e.token != "" {
		request.Header.Set("Authorization", "Bearer "+e.token)
	}
	if response, err := e.client.Do(request); err == nil {
		_ = response.Body.Close()
	}
}

func encoded(end recorded) map[string]any {
	s := end.span
	span := map[string]any{
		"traceId": s.traceID, "spanId": s.spanID, "flags": s.flags, "name": end.name, "kind": end.kind,
		"startTimeUnixNano": itoa(end.ended.Add(-end.took).UnixNano()), "endTimeUnixNano": itoa(end.ended.UnixNano()),
		"attributes": attributes(end.attributes),
	}
	if s.parentID != "" {
		span["parentSpanId"] = s.parentID
	}
	if s.state != "" {
		span["traceState"] = s.state
	}
	if end.isError {
		span["status"] = map[string]any{"code": 2}
	}
	if len(end.events) > 0 {
		events := make([]any, len(end.events))
		for index, event := range end.events {
			events[index] = map[string]any{
				"name": event.name, "timeUnixNano": itoa(event.time.UnixNano()), "attributes": attributes(event.attributes),
			}
		}
		span["events"] = events
	}
	return span
}

func attributes(values map[string]any) []any {
	list := []any{}
	for key, value := range values {
		switch value := value.(type) {
		case bool:
			list = append(list, map[string]any{"key": key, "value": map[string]any{"boolValue": value}})
		case float64:
			list = append(list, map[string]any{"key": key, "value": map[string]any{"doubleValue": value}})
		case int:
			list = append(list, map[string]any{"key": key, "value": map[string]any{"intValue": itoa(int64(value))}})
		default:
			if text := fmt.Sprint(value); text != "" {
				list = append(list, map[string]any{"key": key, "value": map[string]any{"stringValue": text}})
			}
		}
	}
	return list
}
