"""A function that says more about itself in its trace."""
from ryo_faas import context


async def MethodWithOtel(request):
    """Reads who is asking from the baggage of the trace, and notes it in the span of the invocation."""
    invocation = context()
    username = invocation.baggage('username')
    invocation.add_event('handling this', {'username': username})
    invocation.set_attribute('username', username)
    return f'Hello, {username}! Your trace is {invocation.trace_id}\n', 202
