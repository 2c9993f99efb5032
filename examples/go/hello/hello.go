// Package hello has the smallest function.
package hello

import (
	"fmt"
	"net/http"
)

// HelloWorld answers with one line.
func HelloWorld(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "Hello, World!")
}
