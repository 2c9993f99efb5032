package shop

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"

	faas "github.com/ryo-faas/ryo-faas/runtime/go"
)

// Payment is a document of the table payments.
type Payment struct {
	Amount  int    `json:"amount"`
	Invoice string `json:"invoice,omitempty"`
}

// MakePayment stores a random payment; its id may be given: /pay?id=some-known-id.
func MakePayment(w http.ResponseWriter, r *http.Request) {
	payment := Payment{Amount: 1 + rand.IntN(100)}
	made, err := faas.Store(payments).Create(r.Context(), r.URL.Query().Get("id"), payment)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, "%s\n", made.ID)
}

// GetPayments returns all payments.
func GetPayments(w http.ResponseWriter, r *http.Request) {
	page, err := faas.Store(payments).Query(r.Context(), faas.Query{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(page.Documents)
}
