package faas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// CloudEvent is an event with all of its attributes (CloudEvents 1.0). One that is delivered twice has the same Source
// and ID.
type CloudEvent struct {
	ID, Source, Type, Subject   string
	DataContentType, DataSchema string
	// Time is zero if the event has none.
	Time time.Time
	// Data is JSON as it was sent, or the bytes of other data.
	Data []byte
	// Extensions are strings, booleans and numbers (float64).
	Extensions map[string]any
}

// Decode reads data that is JSON into a value; that of a change of a document into a DocumentEvent.
func (e CloudEvent) Decode(into any) error { return json.Unmarshal(e.Data, into) }

// CloudEventHandler runs at least once for each event; an error means "try again". As an HTTP handler it gets the event
// in binary mode: attributes as ce- headers, and the data as body; a status from 500 on means "try again".
type CloudEventHandler interface {
	func(context.Context, CloudEvent) error | func(http.ResponseWriter, *http.Request)
}

// CloudEventFunction and RequestFunction are the forms of CloudEventHandler.
type (
	CloudEventFunction = func(context.Context, CloudEvent) error
	RequestFunction    = func(http.ResponseWriter, *http.Request)
)

// HandleCloudEvents runs handler for the events that deploy.json names. The generated main of a trigger calls it.
func HandleCloudEvents[H CloudEventHandler](name string, handler H) {
	run(name, func() (*service, error) {
		return &service{triggers: map[string]eventFunc{triggerKey: cloudEventFuncOf(handler)}}, nil
	})
}

type servedEvents struct {
	Key    string `json:"key"`
	Type   string `json:"type"`
	Source string `json:"source,omitempty"`
}

// OnEvent runs handler for events of a type, which others publish or post; a final * stands for any text. Sources limit
// it to the events of one source. Call it in Init.
func OnEvent[H CloudEventHandler](eventType string, handler H, source ...string) {
	what := fmt.Sprintf("faas.OnEvent(%q)", eventType)
	switch {
	case registration.refuse(what):
	case reflect.ValueOf(handler).IsNil():
		registration.fail("%s needs a handler", what)
	case eventType == "":
		registration.fail("%s needs a type of events", what)
	case len(source) > 1:
		registration.fail("%s takes one source", what)
	case strings.Contains(strings.TrimSuffix(eventType, "*"), "*"):
		registration.fail("%s: \"*\" may stand only at the end", what)
	default:
		key := registration.keyOf(reflect.ValueOf(handler))
		registration.service.triggers[key] = cloudEventFuncOf(handler)
		registration.service.served.Events = append(registration.service.served.Events,
			servedEvents{Key: key, Type: eventType, Source: strings.Join(source, "")})
	}
}

// errNotAnEvent is answered with 400, errAnswered not at all.
var (
	errNotAnEvent = errors.New("not an event")
	errAnswered   = errors.New("the handler has answered")
)

// eventFunc reads an event from a request and runs a handler for it.
type eventFunc func(http.ResponseWriter, *http.Request) error

func runTrigger(run eventFunc, w http.ResponseWriter, r *http.Request) {
	switch err := run(w, r); err {
	case nil:
		w.WriteHeader(http.StatusNoContent)
	case errAnswered:
	case errNotAnEvent:
		w.(*Invocation).answer("BAD_REQUEST", "This is not an event.")
	default:
		w.(*Invocation).fail(err, nil)
	}
}

func cloudEventFuncOf[H CloudEventHandler](handler H) eventFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		event, err := readCloudEvent(r.Body)
		if err != nil {
			return errNotAnEvent
		}
		switch run := any(handler).(type) {
		case CloudEventFunction:
			return run(r.Context(), event)
		case RequestFunction:
			run(w, event.request(r))
		}
		return errAnswered
	}
}

func readCloudEvent(body io.Reader) (event CloudEvent, err error) {
	attributes := map[string]json.RawMessage{}
	if err = json.NewDecoder(body).Decode(&attributes); err != nil {
		return event, err
	}
	texts := map[string]*string{
		"id": &event.ID, "source": &event.Source, "type": &event.Type, "subject": &event.Subject,
		"datacontenttype": &event.DataContentType, "dataschema": &event.DataSchema,
	}
	event.Extensions = map[string]any{}
	for name, value := range attributes {
		switch name {
		case "specversion":
		case "time":
			err = json.Unmarshal(value, &event.Time)
		case "data":
			event.Data = value
		case "data_base64":
			err = json.Unmarshal(value, &event.Data)
		default:
			if text := texts[name]; text != nil {
				err = json.Unmarshal(value, text)
			} else {
				var extension any
				err = json.Unmarshal(value, &extension)
				event.Extensions[name] = extension
			}
		}
		if err != nil {
			return event, err
		}
	}
	if event.ID == "" || event.Source == "" || event.Type == "" {
		return event, errNotAnEvent
	}
	if !isJSON(event.DataContentType) && attributes["data"] != nil {
		// Text stands there as a string.
		var text string
		if json.Unmarshal(event.Data, &text) == nil {
			event.Data = []byte(text)
		}
	}
	return event, nil
}

func isJSON(mediaType string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(mediaType), ";")
	kind = strings.TrimSpace(kind)
	return kind == "" || strings.HasSuffix(kind, "/json") || strings.HasSuffix(kind, "+json")
}

// request is the event in binary mode, in place of the request that it came with.
func (e CloudEvent) request(r *http.Request) *http.Request {
	binary := r.Clone(r.Context())
	set := func(name, value string) {
		if value != "" {
			binary.Header.Set("Ce-"+name, headerValue(value))
		}
	}
	binary.Header.Del("Content-Type")
	if e.DataContentType != "" || e.Data != nil {
		binary.Header.Set("Content-Type", or(e.DataContentType, "application/json"))
	}
	set("Specversion", "1.0")
	set("Id", e.ID)
	set("Source", e.Source)
	set("Type", e.Type)
	set("Subject", e.Subject)
	set("Dataschema", e.DataSchema)
	if !e.Time.IsZero() {
		set("Time", e.Time.Format(time.RFC3339Nano))
	}
	for name, value := range e.Extensions {
		set(name, fmt.Sprint(value))
	}
	binary.URL = &url.URL{Path: "/"}
	binary.RequestURI = "/"
	binary.ContentLength = int64(len(e.Data))
	binary.Body = io.NopCloser(bytes.NewReader(e.Data))
	return binary
}

// headerValue percent-encodes what no header may hold (HTTP binding, 3.1.3.2).
func headerValue(text string) string {
	var encoded strings.Builder
	for _, char := range []byte(text) {
		if char <= ' ' || char > '~' || char == '"' || char == '%' {
			fmt.Fprintf(&encoded, "%%%02X", char)
		} else {
			encoded.WriteByte(char)
		}
	}
	return encoded.String()
}
