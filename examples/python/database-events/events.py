from ryo_faas import store


def generate_invoice(event):
    """Writes the invoice of a new payment into it. An exception would be tried again."""
    print(f'invoice for {event.id}')
    amount = event.after.data['amount']
    store('payments').update(event.id, {'invoice': f'{amount} paid with {event.id}'})


def email_users(event):
    """Tells the customer about the invoice."""
    invoice = event.after.data.get('invoice')
    if invoice:
        print(f'e-mail about {event.id}: {invoice}')


def payments_updated(event):
    """Sees changes of a few documents only."""
    print(f'watched {event.id} is at version {event.version}')
