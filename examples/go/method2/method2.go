// Package method2 has a function that method1 calls.
package method2

import (
	"fmt"
	"net/http"
)

// Method2 accepts whatever comes.
func Method2(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintln(w, "Accepted at method 2")
}
