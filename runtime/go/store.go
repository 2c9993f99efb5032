package faas

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// StoreError says why the store refused; Status is 0 if it could not be reached.
type StoreError struct {
	Code    string
	Message string
	Status  int
	cause   error
}

func (e *StoreError) Error() string { return e.Message }
func (e *StoreError) Unwrap() error { return e.cause }

// Table is a table of the store; the first document creates it. Every ctx is that of the invocation, or derived from it.
type Table struct{ name string }

// Store returns a table.
func Store(table string) Table { return Table{table} }

// WriteOption changes how a document is written.
type WriteOption func(*storeRequest)

// IfVersion writes only if the document has this version; otherwise a StoreError with status 412.
func IfVersion(version int) WriteOption {
	return func(r *storeRequest) { r.header.Set("If-Match", strconv.Quote(strconv.Itoa(version))) }
}

// Create stores a new document. An empty id: a new one that sorts by time; one that exists: a StoreError with status 409.
func (t Table) Create(ctx context.Context, id string, data any) (Document, error) {
	body := map[string]any{"data": data}
	if id != "" {
		body["id"] = id
	}
	return t.document(ctx, http.MethodPost, t.path(), body)
}

// Get returns nil if there is no such document.
func (t Table) Get(ctx context.Context, id string) (*Document, error) {
	found, err := t.document(ctx, http.MethodGet, t.pathOf(id), nil)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// Update merges patch (RFC 7386) into an existing document.
func (t Table) Update(ctx context.Context, id string, patch any, options ...WriteOption) (Document, error) {
	options = append(options, func(r *storeRequest) { r.header.Set("Content-Type", "application/merge-patch+json") })
	return t.document(ctx, http.MethodPatch, t.pathOf(id), patch, options...)
}

// Replace creates or replaces the whole document.
func (t Table) Replace(ctx context.Context, id string, data any, options ...WriteOption) (Document, error) {
	return t.document(ctx, http.MethodPut, t.pathOf(id), map[string]any{"data": data}, options...)
}

// Delete reports whether the document existed.
func (t Table) Delete(ctx context.Context, id string, options ...WriteOption) (bool, error) {
	_, err := t.ask(ctx, http.MethodDelete, t.pathOf(id), nil, options...)
	if isMissing(err) {
		return false, nil
	}
	return err == nil, err
}

// Query selects documents.
type Query struct {
	// Field of the data (nested with dots) → condition: a value, or a map of operators such as {">=": 3}.
	Where map[string]any
	// A field; a leading "-" reverses the order. Default: by id.
	OrderBy string
	Limit   int
	// Cursor from the previous page.
	Cursor string
}

// Page is a page of a query; Cursor is empty on the last one.
type Page struct {
	Documents []Document `json:"documents"`
	Cursor    string     `json:"cursor"`
}

// Query returns the documents that match.
func (t Table) Query(ctx context.Context, query Query) (Page, error) {
	parameters := url.Values{}
	if query.Where != nil {
		where, err := json.Marshal(query.Where)
		if err != nil {
			return Page{}, err
		}
		parameters.Set("where", string(where))
	}
	if query.OrderBy != "" {
		parameters.Set("orderBy", query.OrderBy)
	}
	if query.Limit != 0 {
		parameters.Set("limit", strconv.Itoa(query.Limit))
	}
	if query.Cursor != "" {
		parameters.Set("cursor", query.Cursor)
	}
	var page Page
	body, err := t.ask(ctx, http.MethodGet, t.path()+"?"+parameters.Encode(), nil)
	if err == nil {
		err = json.Unmarshal(body, &page)
	}
	return page, err
}

func (t Table) path() string            { return "/tables/" + url.PathEscape(t.name) + "/docs" }
func (t Table) pathOf(id string) string { return t.path() + "/" + url.PathEscape(id) }

func (t Table) document(ctx context.Context, method, path string, body any, options ...WriteOption) (Document, error) {
	var document Document
	answer, err := t.ask(ctx, method, path, body, options...)
	if err == nil {
		err = json.Unmarshal(answer, &document)
	}
	return document, err
}

type storeRequest struct{ header http.Header }

// Nothing is retried: a write whose response was lost may have happened, and only the caller knows what that means.
func (t Table) ask(ctx context.Context, method, path string, body any, options ...WriteOption) ([]byte, error) {
	v := invocationOf(ctx)
	if v == nil {
		return nil, fmt.Errorf("faas.Store(%q) needs the context of an invocation: pass r.Context()", t.name)
	}
	if v.instance.storeURL == nil {
		return nil, fmt.Errorf("faas.Store(%q) needs the address of the store; is RYO_FAAS_STORE_URL set?", t.name)
	}
	for _, name := range []string{t.name, path} {
		if name == "" || name == "." || name == ".." {
			return nil, &StoreError{Code: "INVALID_NAME", Message: fmt.Sprintf("%q cannot be a table name", name), Status: 400}
		}
	}
	target, err := v.instance.storeURL.Parse(path)
	if err != nil {
		return nil, err
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, option := range options {
		option(&storeRequest{request.Header})
	}
	v.carry(request.Header)
	if v.instance.token != "" {
		request.Header.Set("Authorization", "Bearer "+v.instance.token)
	}
	response, err := httpClient.Do(request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		message := method + " " + path + ": the store cannot be reached"
		return nil, &StoreError{Code: "STORE_UNAVAILABLE", Message: message, cause: err}
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode < 300 {
		return answer, err
	}
	return nil, storeErrorOf(answer, response.StatusCode, method+" "+path)
}

func storeErrorOf(answer []byte, status int, what string) error {
	code, message := platformError(answer, status, "STORE_ERROR")
	return &StoreError{Code: code, Message: what + ": " + message, Status: status}
}

func isMissing(err error) bool {
	refused, ok := err.(*StoreError)
	return ok && refused.Status == http.StatusNotFound
}
