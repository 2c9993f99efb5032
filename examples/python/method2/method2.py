"""An ASGI application, as frameworks are: method1 calls it."""


async def Method2(scope, receive, send):
    """Accepts whatever comes."""
    body = b'Accepted at method 2\n'
    headers = [(b'content-type', b'text/plain'), (b'content-length', str(len(body)).encode())]
    await send({'type': 'http.response.start', 'status': 202, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body})
