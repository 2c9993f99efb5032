package faas

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// CallInit describes a request to another function.
type CallInit struct {
	// Method; default: GET, or POST with a body.
	Method string
	// Path and query after the function's name: /orders/7?full=1.
	Path   string
	Header http.Header
	Body   io.Reader
}

var (
	validName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
	httpClient = &http.Client{Transport: &tracedTransport{next: http.DefaultTransport}}
)

// Call sends a request to the function name and returns its response, whatever its status. Request id, trace and
// remaining time are passed on. ctx is that of the invocation, or derived from it.
func Call(ctx context.Context, name string, init CallInit) (*http.Response, error) {
	v := invocationOf(ctx)
	if v == nil {
		return nil, fmt.Errorf("faas.Call(%q) needs the context of an invocation: pass r.Context()", name)
	}
	if v.instance.proxyURL == nil {
		return nil, fmt.Errorf("faas.Call(%q) needs the address of the proxy; is RYO_FAAS_PROXY_URL set?", name)
	}
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("faas.Call(%q): not a valid function name", name)
	}
	path := init.Path
	if path != "" && path[0] != '/' && path[0] != '?' {
		path = "/" + path
	}
	root := "/functions/" + strings.ToLower(name)
	target, err := v.instance.proxyURL.Parse(root + path)
	if err != nil {
		return nil, err
	}
	// `..` in an untrusted path must not reach another function.
	if target.Path != root && !strings.HasPrefix(target.Path, root+"/") {
		return nil, fmt.Errorf("faas.Call(%q): the path %q leaves the function", name, init.Path)
	}
	method := init.Method
	if method == "" {
		method = http.MethodGet
		if init.Body != nil {
			method = http.MethodPost
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), init.Body)
	if err != nil {
		return nil, err
	}
	for key, values := range init.Header {
		request.Header[key] = values
	}
	v.carry(request.Header)
	return httpClient.Do(request)
}

// carry makes a request part of the invocation; the transport adds the trace.
func (v *Invocation) carry(header http.Header) {
	header.Set(headerRequestID, v.RequestID())
	if depth := v.request.Header.Get(headerEventDepth); depth != "" && header.Get(headerEventDepth) == "" {
		header.Set(headerEventDepth, depth)
	}
	if !v.deadline.IsZero() {
		header.Set(headerDeadline, itoa(max(0, time.Until(v.deadline).Milliseconds())))
	}
}
