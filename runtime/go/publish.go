package faas

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// PublishError says why an event was refused; Status is 0 if the platform could not be reached.
type PublishError struct {
	Code    string
	Message string
	Status  int
	cause   error
}

func (e *PublishError) Error() string { return e.Message }
func (e *PublishError) Unwrap() error { return e.cause }

// Publish returns once the events are stored: every trigger that asks for them will run. Several are stored all or not
// at all. What is left out is made: ID, Source (/functions/<name>), Time, and DataContentType: application/json if Data
// is JSON, else application/octet-stream. ctx is that of the invocation, or derived from it.
func Publish(ctx context.Context, events ...CloudEvent) error {
	v := invocationOf(ctx)
	if v == nil {
		return fmt.Errorf("faas.Publish needs the context of an invocation: pass r.Context()")
	}
	if v.instance.proxyURL == nil {
		return fmt.Errorf("faas.Publish needs the address of the proxy; is RYO_FAAS_PROXY_URL set?")
	}
	if len(events) == 0 {
		return nil
	}
	batch := make([]map[string]any, len(events))
	for i, event := range events {
		batch[i] = event.published(v)
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, v.instance.proxyURL.JoinPath("/events").String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/cloudevents-batch+json")
	v.carry(request.Header)
	if v.instance.token != "" {
		request.Header.Set("Proxy-Authorization", "Bearer "+v.instance.token)
	}
	response, err := httpClient.Do(request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return &PublishError{Code: "UNREACHABLE", Message: "faas.Publish: the platform cannot be reached", cause: err}
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode < 300 {
		return err
	}
	code, message := platformError(answer, response.StatusCode, "PUBLISH_ERROR")
	return &PublishError{Code: code, Message: "faas.Publish: " + message, Status: response.StatusCode}
}

// published is the event in the JSON format, whole.
func (e CloudEvent) published(v *Invocation) map[string]any {
	made := map[string]any{}
	for name, value := range e.Extensions {
		made[name] = value
	}
	at := e.Time
	if at.IsZero() {
		at = time.Now()
	}
	dataType := e.DataContentType
	if dataType == "" && e.Data != nil {
		dataType = "application/octet-stream"
		if json.Valid(e.Data) {
			dataType = "application/json"
		}
	}
	for name, value := range map[string]string{
		"specversion": "1.0", "id": or(e.ID, randomID()), "type": e.Type, "subject": e.Subject,
		"source": or(e.Source, "/functions/"+strings.ToLower(v.Name())), "time": at.UTC().Format(time.RFC3339Nano),
		"datacontenttype": dataType, "dataschema": e.DataSchema,
	} {
		if value != "" {
			made[name] = value
		}
	}
	switch {
	case e.Data == nil:
	case isJSON(dataType) && json.Valid(e.Data):
		made["data"] = json.RawMessage(e.Data)
	case strings.HasPrefix(dataType, "text/"):
		made["data"] = string(e.Data)
	default:
		made["data_base64"] = base64.StdEncoding.EncodeToString(e.Data)
	}
	return made
}

func randomID() string {
	var id [16]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// platformError is the code and message of an answer that is not success.
func platformError(answer []byte, status int, otherwise string) (code, message string) {
	var parsed struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal(answer, &parsed) == nil && parsed.Error.Code != "" {
		return parsed.Error.Code, parsed.Error.Message
	}
	return otherwise, fmt.Sprintf("status %d", status)
}
