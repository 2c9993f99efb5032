"""
One running instance. Invariants: 1. A request for another instance runs nothing. 2. Handlers never see the platform's
own headers, and a call id only if the platform sent it. 3. Nothing a handler does ends the process.
"""
import asyncio
import hmac
import json
import os
import signal
import time

from ._http import Connection
from ._invocation import Cancelled, Invocation, as_json, instance_too_large
from ._metrics import Counts
from ._options import EVENTS_PREFIX, HEALTH_PATH, METRICS_PATH, RESERVED, REST_PATH, STATUS_OF
from ._styles import THREADS
from ._trace import Tracer

# How long an instance keeps listening, and refusing, after it was told to stop.
LAME_DUCK_S = 0.1
# Time for cancelled invocations to clean up, and then for connections to close.
GRACE_S = 0.5
# Between two looks whether connections have closed.
LOOK_EVERY_S = 0.005
# A connection is accepted in the first turn of the event loop, its transport is made in the second and told of in the
# third, and the fourth reads what it brought.
CATCH_UP_TURNS = 5

DAYS = ('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')
MONTHS = ('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec')


class Instance:
    def __init__(self, options, handlers):
        self.options, self.handlers = options, handlers
        self.counts, self.tracer = Counts(), Tracer(options)
        self.body_limit = options.body_limit
        self.connections = set()
        self.inflight = set()
        self.is_draining = False
        self._idle = None
        self._date = (0, b'')

    def date(self):
        now = int(time.time())
        if self._date[0] != now:
            at = time.gmtime(now)
            # Not strftime, whose names follow the locale.
            text = f'{DAYS[at.tm_wday]}, {at.tm_mday:02} {MONTHS[at.tm_mon - 1]} {at.tm_year} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT'
            self._date = (now, text.encode())
        return self._date[1]

    async def run(self, on_listening):
        """Serves until SIGTERM or SIGINT, then drains."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        # An engine may say it twice; whoever presses Ctrl-C again will not wait.
        loop.add_signal_handler(signal.SIGTERM, told.set)
        loop.add_signal_handler(signal.SIGINT, lambda: os._exit(1) if told.is_set() else told.set())
        apps = [handler for handler in self.handlers.all() if hasattr(handler, 'startup')]
        for app in apps:
            await app.startup()
        server = await loop.create_server(lambda: Connection(self), self.options.host, self.options.port, backlog=1024)
        on_listening(server.sockets[0].getsockname()[1])
        await told.wait()
        await self._drain(server)
        for app in apps:
            await asyncio.wait_for(app.shutdown(), GRACE_S * 4)
        for run in reversed(self.handlers.on_stop):
            result = run()
            if asyncio.iscoroutine(result):
                await result

    async def serve(self, request, answer, connection):
        if not self._guard(request, answer, connection) or not self._introduce(request, answer, connection):
            return
        is_from_platform, caller = self._take_delivery(request)
        path = request.path
        if path.startswith(RESERVED) and not (is_from_platform and path.startswith(EVENTS_PREFIX)):
            await self._reserved(request, answer)
            return
        if self.is_draining:
            self.refuse(request, answer, 'FUNCTION_UNAVAILABLE', f'{self.options.name} is stopping.', [('retry-after', '1')])
            return
        handler, code, message = self.handlers.find(path)
        if handler is None:
            self.refuse(request, answer, code, message)
            return
        length = request.headers.get('content-length')
        if self.body_limit and length and int(length) > self.body_limit:
            self.refuse(request, answer, 'PAYLOAD_TOO_LARGE', instance_too_large(self))
            return
        if self.options.concurrency and len(self.inflight) >= self.options.concurrency:
            busy = f'{self.options.name} is already running {self.options.concurrency} times.'
            self.refuse(request, answer, 'FUNCTION_OVERLOADED', busy, [('retry-after', '1')])
            return
        invocation = Invocation(self, request, answer)
        invocation.caller = caller
        self.inflight.add(invocation)
        await invocation.run(handler, connection)

    def release(self, invocation):
        self.inflight.discard(invocation)
        if self._idle is not None and not self.inflight and not self._idle.done():
            self._idle.set_result(None)

    def refuse(self, request, answer, code, message, headers=()):
        """An error of the platform, which its headers tell apart from the function's own."""
        request_id = request.headers.get('x-request-id') or ''
        body = json.dumps({'error': {'code': code, 'message': message, 'requestId': request_id}}).encode() + b'\n'
        answer.answer(STATUS_OF[code], [
            ('content-type', 'application/json; charset=utf-8'), ('x-ryo-faas-error', code),
            ('x-ryo-faas-error-from', self.options.instance), ('x-request-id', request_id), *headers,
        ], body)

    def _guard(self, request, answer, connection):
        """Answers connections of the platform only, where an instance has a key; see runtime/src/serve/connection-guard.ts."""
        key = self.options.instance_key
        if not key:
            return True
        given = request.headers.take('x-ryo-faas-instance-key')
        if connection.is_admitted:
            return True
        if len(given) == 1 and hmac.compare_digest(given[0].encode('latin1'), key.encode()):
            connection.is_admitted = True
            return True
        connection.is_last = True
        answer.json(403, {'message': 'Only the platform is answered here.'}, [('connection', 'close')])
        return False

    def _introduce(self, request, answer, connection):
        """Says which instance this is if the request asks for one; see runtime/src/serve/introduction.ts."""
        wanted = request.headers.take('x-ryo-faas-instance')
        if not wanted:
            return True
        own = self.options.instance
        if wanted != [own]:
            answer.json(421, {'message': f'This is not the instance {wanted[0]}.'}, [('x-ryo-faas-instance', own)])
            return False
        connection.write(f'HTTP/1.1 102 Processing\r\nx-ryo-faas-instance: {own}\r\n\r\n'.encode())
        return True

    def _take_delivery(self, request):
        """Whether the platform sent it, and who called; hides what only the platform may say."""
        headers = request.headers
        given, caller, secret = headers.take('x-ryo-faas-delivery'), headers.take('x-ryo-faas-caller'), self.options.delivery_token
        if len(given) == 1 and secret and hmac.compare_digest(given[0].encode('latin1'), secret.encode()):
            return True, as_json(caller)
        headers.take('x-call-id')
        headers.take('x-call-attempt')
        return False, None

    async def _reserved(self, request, answer):
        path, name = request.path, self.options.name
        if path == HEALTH_PATH:
            answer.json(503 if self.is_draining else 200, {
                'status': 'draining' if self.is_draining else 'ok', 'name': name, 'version': int(self.options.version),
                'instance': self.options.instance, 'inflight': len(self.inflight), **served_of(self.handlers),
            })
        elif path == METRICS_PATH:
            page = self.counts.page(name, len(self.inflight)).encode()
            answer.start(200, [('content-type', 'text/plain; version=0.0.4; charset=utf-8'), ('content-length', str(len(page)))])
            await answer.write(page)
            answer.end()
        elif path == REST_PATH and request.method == 'POST':
            if not self.inflight and self.tracer.exporter is not None:
                await THREADS.run(self.tracer.exporter.flush)
            answer.start(409 if self.inflight else 204, [('content-length', '0')] if self.inflight else [])
            answer.end()
        else:
            answer.json(404, {'message': f'The platform serves nothing at {path}'})

    async def _drain(self, server):
        """
        Refuses for a moment, stops listening, lets invocations finish, and cancels what is left. Connections are closed
        when nothing has arrived on them.
        """
        self.is_draining = True
        await asyncio.sleep(LAME_DUCK_S)
        await catch_up()
        server.close()
        await self._wait_idle(self.options.drain_ms / 1_000)
        for invocation in list(self.inflight):
            invocation.cancel(Cancelled('the instance has to stop'))
        await self._wait_idle(GRACE_S)
        await catch_up()
        deadline = time.monotonic() + GRACE_S
        while self.connections and time.monotonic() < deadline:
            for connection in [each for each in self.connections if each.is_idle]:
                connection.close(self._farewell(connection))
            await asyncio.sleep(LOOK_EVERY_S)
        for connection in list(self.connections):
            connection.close()

    def _farewell(self, connection):
        """That what may just come was not run, for who may know which instance this is; see runtime/src/serve/farewell.ts."""
        if self.options.instance_key and not connection.is_admitted:
            return b''
        own = self.options.instance
        return (
            f'HTTP/1.1 102 Processing\r\nx-ryo-faas-instance: {own}\r\n\r\n'
            f'HTTP/1.1 503 Service Unavailable\r\nx-ryo-faas-error: FUNCTION_UNAVAILABLE\r\n'
            f'x-ryo-faas-error-from: {own}\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'
        ).encode()

    async def _wait_idle(self, at_most):
        if self.inflight:
            self._idle = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._idle], timeout=at_most)
            self._idle = None


async def catch_up():
    """
    Everything that the kernel has is read. After a moment without a turn (no CPU, or a handler that computes) connections
    that nobody has accepted wait there, and those with a request that nobody has read look idle.
    """
    for _ in range(CATCH_UP_TURNS):
        await asyncio.sleep(0)


def served_of(handlers):
    return {} if handlers.served is None else {'served': handlers.served}
