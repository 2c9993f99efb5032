package faas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Key of the only handler of a trigger function.
const triggerKey = "on"

// Kinds of document events.
const (
	NewDoc     = "new-doc"
	UpdatedDoc = "updated-doc"
	DeletedDoc = "deleted-doc"
)

// Document is a document of the store. Data is its JSON; Decode reads it.
type Document struct {
	ID        string          `json:"id"`
	Table     string          `json:"table"`
	Version   int             `json:"version"`
	CreatedAt time.Time       `json:"createdAt"`
	EditedAt  time.Time       `json:"editedAt"`
	Data      json.RawMessage `json:"data"`
}

// Decode reads the document's data into a value.
func (d Document) Decode(into any) error { return json.Unmarshal(d.Data, into) }

// DocumentEvent is one change of one document. An event that is delivered twice has the same Sequence.
type DocumentEvent struct {
	Kind    string `json:"kind"`
	Table   string `json:"table"`
	ID      string `json:"id"`
	Version int    `json:"version"`
	// Before is nil for NewDoc, After for DeletedDoc.
	Before   *Document `json:"before"`
	After    *Document `json:"after"`
	Time     time.Time `json:"-"`
	Sequence int       `json:"-"`
}

// EventHandler runs at least once for each change; an error means "try again". The short form gets the document as it
// is after the change, or as it was before it was deleted.
type EventHandler interface {
	func(context.Context, DocumentEvent) error | func(Document)
}

func eventFuncOf[H EventHandler](handler H) eventFunc {
	return func(_ http.ResponseWriter, r *http.Request) error {
		event, err := readDocumentEvent(r.Body)
		if err != nil {
			return err
		}
		switch run := any(handler).(type) {
		case EventFunction:
			return run(r.Context(), event)
		case DocumentFunction:
			if event.After != nil {
				run(*event.After)
			} else if event.Before != nil {
				run(*event.Before)
			}
		}
		return nil
	}
}

func readDocumentEvent(body io.Reader) (DocumentEvent, error) {
	var envelope struct {
		Time     time.Time     `json:"time"`
		Sequence string        `json:"sequence"`
		Data     DocumentEvent `json:"data"`
	}
	if err := json.NewDecoder(body).Decode(&envelope); err != nil || envelope.Data.Kind == "" {
		return DocumentEvent{}, errNotAnEvent
	}
	event := envelope.Data
	event.Time, event.Sequence = envelope.Time, atoi(envelope.Sequence)
	return event, nil
}

type servedTrigger struct {
	Key    string   `json:"key"`
	Table  string   `json:"table"`
	Events []string `json:"events"`
	IDs    []string `json:"ids,omitempty"`
}

type served struct {
	HTTP     []string        `json:"http"`
	Async    []string        `json:"async"`
	Triggers []servedTrigger `json:"triggers"`
	Events   []servedEvents  `json:"events,omitempty"`
}

// service is what an instance serves: one handler, one trigger, or all that was registered.
type service struct {
	single   http.HandlerFunc
	routes   map[string]http.HandlerFunc
	triggers map[string]eventFunc
	served   *served
	onStop   []func()
}

// find returns the handler, or why there is none.
func (s *service) find(path string) (handler http.HandlerFunc, code, message string) {
	if key, isEvent := strings.CutPrefix(path, eventsPrefix); isEvent {
		if run := s.triggers[key]; run != nil {
			return func(w http.ResponseWriter, r *http.Request) { runTrigger(run, w, r) }, "", ""
		}
		// The version that has it may be coming: the sender retries the event.
		return nil, "FUNCTION_NOT_FOUND", ""
	}
	if s.single != nil {
		return s.single, "", ""
	}
	for at := path; ; {
		if found := s.routes[at]; found != nil {
			return found, "", ""
		}
		if at == "/" || at == "" {
			break
		}
		at = or(at[:max(0, strings.LastIndexByte(at, '/'))], "/")
	}
	if len(s.routes) == 0 {
		return nil, "HANDLER_NOT_FOUND", "This function runs on events; it does not answer requests."
	}
	return nil, "HANDLER_NOT_FOUND", "This service answers at " +
		strings.Join(slices.Concat(s.served.HTTP, s.served.Async), ", ") + "."
}

func (s *service) stop() {
	for index := len(s.onStop) - 1; index >= 0; index-- {
		s.onStop[index]()
	}
}

// registrar collects what Init registers; the first mistake fails the start.
type registrar struct {
	service  *service
	isClosed bool
	mistake  error
}

var registration = &registrar{service: &service{
	routes:   map[string]http.HandlerFunc{},
	triggers: map[string]eventFunc{},
	served:   &served{HTTP: []string{}, Async: []string{}, Triggers: []servedTrigger{}},
}}

// HTTP serves path and everything below it; the longest match wins. The handler sees the whole path. Call it in Init.
func HTTP(path string, handler http.HandlerFunc) {
	if path, ok := registration.route("HTTP", path, handler); ok {
		registration.service.served.HTTP = append(registration.service.served.HTTP, path)
	}
}

// Async serves path asynchronously: queued durably, retried, with the result sent to a callback. Call it in Init.
func Async(path string, handler http.HandlerFunc) {
	if path, ok := registration.route("Async", path, handler); ok {
		registration.service.served.Async = append(registration.service.served.Async, path)
	}
}

// On runs handler for one kind of change of a table; without ids, for every document. Call it in Init.
func On[H EventHandler](table, kind string, handler H, ids ...string) {
	what := fmt.Sprintf("faas.On(%q)", table)
	switch {
	case registration.refuse(what):
	case reflect.ValueOf(handler).IsNil():
		registration.fail("%s needs a handler", what)
	case table == "":
		registration.fail("%s needs the name of a table", what)
	case kind != NewDoc && kind != UpdatedDoc && kind != DeletedDoc:
		registration.fail("%s knows new-doc, updated-doc, deleted-doc but not '%s'", what, kind)
	default:
		key := registration.keyOf(reflect.ValueOf(handler))
		registration.service.triggers[key] = eventFuncOf(handler)
		registration.service.served.Triggers = append(registration.service.served.Triggers,
			servedTrigger{Key: key, Table: table, Events: []string{kind}, IDs: ids})
	}
}

// OnStop runs after the last request of a draining instance, the last registered first. Call it in Init.
func OnStop(run func()) {
	if !registration.refuse("faas.OnStop()") {
		registration.service.onStop = append(registration.service.onStop, run)
	}
}

var (
	validPath  = regexp.MustCompile(`^/[^?#]*$`)
	notInKey   = regexp.MustCompile(`[^A-Za-z0-9_-]`)
	packageDot = regexp.MustCompile(`^.*\.`)
)

func (r *registrar) route(method, given string, handler http.HandlerFunc) (string, bool) {
	what := fmt.Sprintf("faas.%s(%q)", method, given)
	path := or(strings.TrimRight(given, "/"), "/")
	switch {
	case r.refuse(what):
	case handler == nil:
		r.fail("%s needs a handler", what)
	case !validPath.MatchString(given):
		r.fail("%s needs a path that starts with / and has no query", what)
	case r.service.routes[path] != nil:
		r.fail("%s: %s is already served", what, path)
	default:
		r.service.routes[path] = handler
		return path, true
	}
	return "", false
}

// keyOf names a handler after its function, so that its progress is kept from version to version.
func (r *registrar) keyOf(handler reflect.Value) string {
	name := packageDot.ReplaceAllString(runtime.FuncForPC(handler.Pointer()).Name(), "")
	base := notInKey.ReplaceAllString(name, "_")
	base = or(base[:min(50, len(base))], "handler")
	key := base
	for count := 2; r.service.triggers[key] != nil; count++ {
		key = fmt.Sprintf("%s-%d", base, count)
	}
	return key
}

func (r *registrar) refuse(what string) bool {
	if r.isClosed {
		panic(what + " was called too late: register everything before Init ends")
	}
	return false
}

func (r *registrar) fail(format string, values ...any) {
	r.mistake = errors.Join(r.mistake, fmt.Errorf(format, values...))
}

func (r *registrar) close() (*service, error) {
	r.isClosed = true
	if r.mistake == nil && len(r.service.routes)+len(r.service.triggers) == 0 {
		r.fail("Init registers no handler: call faas.HTTP, faas.Async, faas.On or faas.OnEvent in it")
	}
	return r.service, r.mistake
}

// EventFunction and DocumentFunction are the forms of EventHandler.
type (
	EventFunction    = func(context.Context, DocumentEvent) error
	DocumentFunction = func(Document)
)
