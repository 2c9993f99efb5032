// Package async has a job that takes longer than anyone wants to wait.
package async

import (
	"fmt"
	"io"
	"net/http"
	"time"

	faas "github.com/ryo-faas/ryo-faas/runtime/go"
)

const (
	steps = 2
	step  = time.Second
)

// MethodAsync works for two seconds and prints a line for each. It ends early if the call is cancelled.
func MethodAsync(w http.ResponseWriter, r *http.Request) {
	input, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	for done := 1; done <= steps; done++ {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(step):
			fmt.Printf("step %d of %d\n", done, steps)
		}
	}
	call := faas.InvocationOf(r.Context())
	fmt.Fprintf(w, "call %s, attempt %d: %s\n", call.CallID(), call.Attempt(), input)
}
