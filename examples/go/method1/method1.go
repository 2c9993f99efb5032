// Package method1 has a function that calls another one.
package method1

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	faas "github.com/ryo-faas/ryo-faas/runtime/go"
)

type request struct {
	Data string `json:"data"`
}

// Method1 takes {"data": "<url>"}, calls that URL and passes its answer on. A path like /functions/method2 is another
// function of this platform; anything else is a web address.
func Method1(w http.ResponseWriter, r *http.Request) {
	var asked request
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Data == "" {
		http.Error(w, `send {"data": "<url>"}`, http.StatusBadRequest)
		return
	}
	answer, err := get(r.Context(), asked.Data)
	if err != nil {
		http.Error(w, "cannot reach "+asked.Data+": "+err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, answer.Body); err == nil {
		fmt.Fprintln(w, "Accepted at method 1")
	}
}

func get(ctx context.Context, url string) (*http.Response, error) {
	if path, found := strings.CutPrefix(url, "/functions/"); found {
		name, below, _ := strings.Cut(path, "/")
		return faas.Call(ctx, name, faas.CallInit{Path: below})
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(request)
}
