"""The invocation that runs now."""
from contextvars import ContextVar

INVOCATION = ContextVar('ryo_faas_invocation', default=None)


def current():
    found = INVOCATION.get()
    if found is None:
        raise RuntimeError('this works only while a handler runs')
    return found


def context():
    """
    What is known of the invocation that runs now: name, request_id, call_id, attempt, trace_id, params, caller,
    cancelled, remaining_seconds(), baggage(key), set_attribute(key, value), add_event(name, attributes), headers().
    """
    return current()
