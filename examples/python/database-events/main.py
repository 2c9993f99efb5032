"""A service: two requests and three events of the store, in one process."""
from events import email_users, generate_invoice, payments_updated
from pages import get_payments, make_payment


def main(service):
    """Registers everything that the service answers."""
    service.http('/pay', make_payment)
    service.http('/get', get_payments)

    # A new payment gets an invoice; once it has one, the customer gets an e-mail.
    service.on('payments', 'new-doc', generate_invoice)
    service.on('payments', 'updated-doc', email_users)
    # Only for these documents.
    service.on('payments', 'updated-doc', payments_updated, ids=['some-known-id', 'another-known-id'])
