"""A job that takes longer than anyone wants to wait."""
from ryo_faas import context

STEPS = 2


def MethodAsync(request):
    """Works for two seconds and prints a line for each. It ends early if the call is cancelled."""
    call = context()
    for step in range(1, STEPS + 1):
        if call.wait_cancelled(1):
            return None
        print(f'step {step} of {STEPS}')
    return f'call {call.call_id}, attempt {call.attempt}: {request.text}\n'
