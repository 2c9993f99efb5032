package shop

import (
	"context"
	"fmt"

	faas "github.com/ryo-faas/ryo-faas/runtime/go"
)

// GenerateInvoice writes the invoice of a new payment into it. An error would be tried again.
func GenerateInvoice(ctx context.Context, event faas.DocumentEvent) error {
	var payment Payment
	if err := event.After.Decode(&payment); err != nil {
		return err
	}
	fmt.Printf("invoice for %s\n", event.ID)
	invoice := fmt.Sprintf("%d paid with %s", payment.Amount, event.ID)
	_, err := faas.Store(payments).Update(ctx, event.ID, map[string]any{"invoice": invoice})
	return err
}

// EmailUsers tells the customer about the invoice.
func EmailUsers(document faas.Document) {
	var payment Payment
	if document.Decode(&payment) == nil && payment.Invoice != "" {
		fmt.Printf("e-mail about %s: %s\n", document.ID, payment.Invoice)
	}
}

// PaymentsUpdated sees changes of a few documents only.
func PaymentsUpdated(document faas.Document) {
	fmt.Printf("watched %s is at version %d\n", document.ID, document.Version)
}
