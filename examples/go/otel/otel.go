// Package otel has a function that says more about itself in its trace.
package otel

import (
	"fmt"
	"net/http"

	faas "github.com/ryo-faas/ryo-faas/runtime/go"
)

// MethodWithOtel reads who is asking from the baggage of the trace, and notes it in the span of the invocation.
func MethodWithOtel(w http.ResponseWriter, r *http.Request) {
	invocation := faas.InvocationOf(r.Context())
	username := invocation.Baggage("username")
	invocation.AddEvent("handling this", map[string]any{"username": username})
	invocation.SetAttribute("username", username)
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, "Hello, %s! Your trace is %s\n", username, invocation.TraceID())
}
