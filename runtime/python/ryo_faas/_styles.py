"""
The forms of handlers for requests, each as `async handler(invocation)`: `def handler(request)`, plain or async; WSGI;
ASGI.
"""
import asyncio
import inspect
import io
import json
import sys
from urllib.parse import parse_qs, unquote, unquote_to_bytes

from ._http import Gone
from ._invocation import Cancelled
from ._threads import Threads

THREADS = Threads()


class Request:
    """A request as a handler gets it. Its body has been read."""

    def __init__(self, invocation, body):
        request = invocation.request
        self.method, self.path, self.query_string = request.method, unquote(request.path), request.query_string
        self.headers = request.headers
        self.params = invocation.params
        self.body = body

    @property
    def query(self):
        """The parameters after the question mark, the first of each name: a dict."""
        return {name: values[0] for name, values in self.query_lists.items()}

    @property
    def query_lists(self):
        """All of them: name → list."""
        return parse_qs(self.query_string, keep_blank_values=True)

    args = query

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        """Raises ValueError if the body is not JSON."""
        return json.loads(self.body)

    get_json = json


class Response:
    """An answer with a status and headers. `body`: text, bytes, what is JSON, None, or an iterable of text or bytes."""

    def __init__(self, body=None, status=200, headers=None):
        self.body, self.status = body, status
        self.headers = list(headers.items()) if hasattr(headers, 'items') else list(headers or [])


def positional(handler):
    """How many arguments it takes by position; None if any number."""
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in kinds for parameter in parameters)


def is_async(handler):
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, '__call__', None))


def handler_of(given):
    """The handler for requests that an object of the user's is. Raises TypeError."""
    if not callable(given) or inspect.isclass(given):
        raise TypeError(f'{given!r} is neither a function nor an application')
    count = positional(given)
    if is_async(given) and count in (3, None):
        return Asgi(given)
    if count == 1:
        return plain(given)
    if count in (2, None) and not is_async(given):
        return wsgi(given)
    raise TypeError(f'{given!r} must take (request), (environ, start_response) or, if async, (scope, receive, send)')


def plain(function):
    async def serve(invocation):
        request = Request(invocation, await invocation.request.body.read_all())
        if is_async(function):
            result = await function(request)
        else:
            result = await THREADS.run(lambda: function(request))
            if inspect.isawaitable(result):
                result = await result
        await send(invocation, result)

    return serve


async def send(invocation, result):
    """What a handler returned: a Response, a body, or a tuple of body, status and headers."""
    if isinstance(result, tuple):
        result = Response(*result)
    elif not isinstance(result, Response):
        result = Response(result, 204 if result is None else 200)
    answer, body, headers = invocation.answer, result.body, result.headers
    names = {name.lower() for name, _ in headers}
    kind = None
    if body is None:
        body = b''
    elif isinstance(body, str):
        body, kind = body.encode(), 'text/plain; charset=utf-8'
    elif isinstance(body, (bytes, bytearray, memoryview)):
        body, kind = bytes(body), 'application/octet-stream'
    elif isinstance(body, (dict, list, int, float)):
        body, kind = json.dumps(body).encode(), 'application/json'
    if kind is not None and 'content-type' not in names:
        headers = [*headers, ('content-type', kind)]
    if isinstance(body, bytes):
        if 'content-length' not in names and result.status not in (204, 304):
            headers = [*headers, ('content-length', str(len(body)))]
        answer.start(result.status, headers)
        await answer.write(body)
        return
    if not hasattr(body, '__aiter__') and not hasattr(body, '__iter__'):
        raise TypeError(f'a handler cannot answer with {body!r}')
    answer.start(result.status, headers)
    if hasattr(body, '__aiter__'):
        async for piece in body:
            await answer.write(as_bytes(piece))
    else:
        pieces, end = iter(body), object()
        while (piece := await THREADS.run(lambda: next(pieces, end))) is not end:
            await answer.write(as_bytes(piece))


def as_bytes(piece):
    return piece.encode() if isinstance(piece, str) else bytes(piece)


class BodyFile(io.RawIOBase):
    """The body of a request, for a thread."""

    def __init__(self, invocation, loop):
        self._invocation, self._loop = invocation, loop

    def readable(self):
        return True

    def readinto(self, into):
        if self._invocation.cancelled:
            raise Cancelled
        piece = asyncio.run_coroutine_threadsafe(self._invocation.request.body.read(len(into)), self._loop).result()
        into[:len(piece)] = piece
        return len(piece)


def wsgi(app):
    async def serve(invocation):
        loop = asyncio.get_running_loop()
        await THREADS.run(lambda: run_wsgi(app, invocation, loop))

    return serve


def run_wsgi(app, invocation, loop):
    answer, head = invocation.answer, []

    def wait(coroutine):
        if invocation.cancelled:
            coroutine.close()
            raise Cancelled
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    async def put(data):
        if not answer.is_sent:
            if not head:
                raise RuntimeError('the application did not call start_response')
            answer.start(*head[-1])
        await answer.write(data)

    def start_response(status, headers, exc_info=None):
        if exc_info is not None and answer.is_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        head.append((int(status.split(' ', 1)[0]), list(headers)))
        return lambda data: wait(put(data))

    result = app(wsgi_environ(invocation, loop), start_response)
    try:
        if isinstance(result, (list, tuple)) and len(result) == 1 and head:
            status, headers = head[-1]
            if all(name.lower() != 'content-length' for name, _ in headers) and status not in (204, 304):
                head.append((status, [*headers, ('content-length', str(len(result[0])))]))
        for data in result:
            if data:
                wait(put(data))
        if not answer.is_sent:
            wait(put(b''))
    finally:
        if hasattr(result, 'close'):
            result.close()


def wsgi_environ(invocation, loop):
    request = invocation.request
    headers = request.headers
    host, _, port = (headers.get('host') or 'localhost').rpartition(':') if ':' in (headers.get('host') or '') else (
        headers.get('host') or 'localhost', '', '80')
    environ = {
        'REQUEST_METHOD': request.method, 'SCRIPT_NAME': '', 'QUERY_STRING': request.query_string,
        'PATH_INFO': unquote_to_bytes(request.path).decode('latin1'),
        'SERVER_NAME': host, 'SERVER_PORT': port, 'SERVER_PROTOCOL': f'HTTP/{request.version}',
        'REMOTE_ADDR': (headers.get('x-forwarded-for') or '').split(',')[0].strip(), 'RAW_URI': request.target,
        'wsgi.version': (1, 0), 'wsgi.url_scheme': headers.get('x-forwarded-proto') or 'http',
        'wsgi.input': io.BufferedReader(BodyFile(invocation, loop)), 'wsgi.input_terminated': True,
        'wsgi.errors': sys.stderr, 'wsgi.multithread': True, 'wsgi.multiprocess': False, 'wsgi.run_once': False,
    }
    for name in headers:
        if '_' in name:  # It would pass for the one with a dash.
            continue
        key = name.upper().replace('-', '_')
        environ[key if key in ('CONTENT_TYPE', 'CONTENT_LENGTH') else f'HTTP_{key}'] = headers.get(name)
    return environ


class Asgi:
    """An ASGI application, with its lifespan if it has one."""

    def __init__(self, app):
        self._app = app
        self._state = {}
        self._told = None

    async def startup(self):
        """Raises RuntimeError if the application says that it cannot start."""
        self._told, heard = asyncio.Queue(), asyncio.Queue()
        scope = {'type': 'lifespan', 'asgi': {'version': '3.0', 'spec_version': '2.0'}, 'state': self._state}

        async def run():
            try:
                await self._app(scope, self._told.get, heard.put)
                await heard.put({'type': 'ended'})
            except Exception as error:  # It has no lifespan, or failed in it; what it said before tells.
                await heard.put({'type': 'ended', 'error': error})

        self._task = asyncio.create_task(run())
        self._heard = heard
        await self._told.put({'type': 'lifespan.startup'})
        message = await heard.get()
        if message['type'] == 'lifespan.startup.failed':
            raise RuntimeError(f"the application could not start: {message.get('message', '')}")
        if message['type'] == 'ended':
            self._told = None

    async def shutdown(self):
        if self._told is not None:
            await self._told.put({'type': 'lifespan.shutdown'})
            await self._heard.get()

    async def __call__(self, invocation):
        request, answer = invocation.request, invocation.answer
        over = asyncio.Event()
        is_read = False
        is_ended = False

        async def receive():
            nonlocal is_read
            if not is_read:
                piece = await request.body.read()
                is_read = request.body.is_done
                return {'type': 'http.request', 'body': piece, 'more_body': not is_read}
            await over.wait()
            return {'type': 'http.disconnect'}

        async def respond(message):
            nonlocal is_ended
            if invocation.cancelled:
                raise Gone('nobody waits for the answer any more')
            if message['type'] == 'http.response.start':
                answer.start(message['status'], [(name.decode('latin1'), value.decode('latin1')) for name, value in message.get('headers', [])])
            elif message['type'] == 'http.response.body':
                await answer.write(message.get('body', b''))
                if not message.get('more_body', False) and not is_ended:
                    is_ended = True
                    answer.end()
                    over.set()
            else:
                raise ValueError(f"{message['type']} is not known here")

        await self._app(asgi_scope(invocation, self._state), receive, respond)
        if not answer.is_sent:
            raise RuntimeError('the application did not answer')


def asgi_scope(invocation, state):
    request = invocation.request
    headers = request.headers
    client = (headers.get('x-forwarded-for') or '').split(',')[0].strip()
    return {
        'type': 'http', 'asgi': {'version': '3.0', 'spec_version': '2.3'}, 'http_version': request.version,
        'method': request.method, 'scheme': headers.get('x-forwarded-proto') or 'http', 'path': unquote(request.path),
        'raw_path': request.path.encode('latin1'), 'query_string': request.query_string.encode('latin1'), 'root_path': '',
        'headers': [(name.encode('latin1'), value.encode('latin1')) for name, value in headers.items()],
        'client': (client, 0) if client else None, 'server': None, 'state': dict(state),
    }
