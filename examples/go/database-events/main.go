// Package shop is a service: two requests and three events of the store, in one process.
package shop

import faas "github.com/ryo-faas/ryo-faas/runtime/go"

const payments = "payments"

// Init registers everything that the service answers.
func Init() {
	faas.HTTP("/pay", MakePayment)
	faas.HTTP("/get", GetPayments)

	// A new payment gets an invoice; once it has one, the customer gets an e-mail.
	faas.On(payments, faas.NewDoc, GenerateInvoice)
	faas.On(payments, faas.UpdatedDoc, EmailUsers)
	// Only for these documents.
	faas.On(payments, faas.UpdatedDoc, PaymentsUpdated, "some-known-id", "another-known-id")
}
