from random import randint

from ryo_faas import store


def make_payment(request):
    """Stores a random payment; its id may be given: /pay?id=some-known-id."""
    made = store('payments').create({'amount': randint(1, 100)}, request.query.get('id'))
    return f'{made["id"]}\n', 202


def get_payments(request):
    """All payments."""
    return store('payments').query()['documents']
