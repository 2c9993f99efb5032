"""One run of a handler."""
import asyncio
import json
import os
import threading
import time
import traceback
import sys
from urllib.parse import unquote

from ._context import INVOCATION
from ._http import Gone, Refused, TooLarge


class Cancelled(Exception):
    """The invocation ended before its handler: its client left, its time is over, or the instance has to stop."""


class Invocation:
    def __init__(self, instance, request, answer):
        self.instance, self.request, self.answer = instance, request, answer
        self.begun = time.perf_counter()
        timeout = instance.options.timeout_ms
        given = request.headers.get('x-ryo-faas-deadline-ms')
        if given is not None and given.isdecimal():
            timeout = min(timeout, int(given)) if timeout else max(1, int(given))
        self.timeout_ms = timeout
        self.deadline = self.begun + timeout / 1_000 if timeout else None
        if 'x-request-id' not in request.headers:
            request.headers.set('x-request-id', os.urandom(16).hex())
        self.span = instance.tracer.begin(request.headers)
        self.params = as_json(request.headers.take('x-ryo-faas-params')) or {}
        self.caller = None
        self.is_cold = False
        self.is_released = False
        self.is_over = False
        self.has_failed = self.is_expired = False
        self._stopped = threading.Event()
        self._task = None
        self._why = None

    # What handlers see.
    @property
    def name(self):
        return self.instance.options.name

    @property
    def request_id(self):
        return self.request.headers.get('x-request-id')

    @property
    def trace_id(self):
        return self.span.trace_id

    @property
    def call_id(self):
        """Of the asynchronous call; None for a direct request."""
        return self.request.headers.get('x-call-id')

    @property
    def attempt(self):
        given = self.request.headers.get('x-call-attempt') or ''
        return max(1, int(given)) if given.isdecimal() else 1

    @property
    def cancelled(self):
        """Whether nobody waits for the answer any more: a threading.Event can be waited for with `wait_cancelled`."""
        return self._stopped.is_set()

    def wait_cancelled(self, seconds):
        """Waits that long; True at once when nobody waits for the answer any more."""
        return self._stopped.wait(seconds)

    def remaining_seconds(self):
        """Until the deadline; None without one."""
        return None if self.deadline is None else max(0.001, self.deadline - time.perf_counter())

    def baggage(self, key):
        """What the sender of the trace said about it (W3C Baggage); None if nothing."""
        return self.span.baggage_of(key)

    def set_attribute(self, key, value):
        """Describes the invocation in its span."""
        self.span.set_attribute(key, value)

    def add_event(self, name, attributes=None):
        """Notes in the span that something happened now."""
        self.span.add_event(name, attributes)

    def headers(self):
        """Headers that make a request of your own part of the invocation and its trace."""
        return {**self.carried(), **self.span.headers()}

    # What the runtime does.
    def carried(self):
        carried = {'x-request-id': self.request_id}
        depth = self.request.headers.get('x-event-depth')
        if depth is not None:
            carried['x-event-depth'] = depth
        if self.deadline is not None:
            carried['x-ryo-faas-deadline-ms'] = str(max(0, int((self.deadline - time.perf_counter()) * 1_000)))
        return carried

    async def run(self, handler, connection):
        """Returns when the answer is whole, or cut off, whatever the handler still does."""
        instance = self.instance
        self.is_cold = instance.counts.begin()
        self.over = asyncio.get_running_loop().create_future()
        token = INVOCATION.set(self)
        try:
            self._task = asyncio.create_task(self._run(handler))
        finally:
            INVOCATION.reset(token)
        connection.on_gone = lambda: self.cancel(Gone('the client is gone'))
        if connection.is_gone:
            connection.on_gone()
        timer = None
        if self.deadline is not None:
            timer = asyncio.get_running_loop().call_later(max(0, self.deadline - time.perf_counter()), self._expire)
        try:
            await self.over
        finally:
            if timer is not None:
                timer.cancel()
            connection.on_gone = None
            self.release()

    async def _run(self, handler):
        try:
            await handler(self)
            if not self.is_over:
                self.answer.end()
        except TooLarge:
            self.refuse('PAYLOAD_TOO_LARGE', instance_too_large(self.instance))
        except Refused:
            self.refuse('BAD_REQUEST', 'The body is malformed.')
        except (asyncio.CancelledError, Gone, Cancelled) as error:
            if self._why is None and not isinstance(error, Gone):
                self.fail(error)
            else:
                self.answer.stop()
        except BaseException as error:  # Nothing that a handler raises ends the process, not even SystemExit.
            self.fail(error)
        finally:
            self._end()

    def _end(self):
        self.is_over = True
        self._stopped.set()
        if not self.over.done():
            self.over.set_result(None)

    def fail(self, error):
        """Logs what a handler raised, and answers with an error of the platform, or cuts the answer off."""
        if self.is_over:
            return
        self.has_failed = True
        text = ''.join(traceback.format_exception(type(error), error, own_frames(error)))
        print(f'Invocation {self.request_id} of {self.name} failed:\n{text}', end='', file=sys.stderr)
        self.add_event('exception', {'exception.type': type(error).__name__, 'exception.message': str(error)})
        self.instance.counts.fail()
        self.refuse('FUNCTION_ERROR', 'The function failed; its log has the details.')

    def refuse(self, code, message):
        """An answer of the platform; whatever the handler writes later is dropped."""
        if not self.is_over:
            self.is_over = True
            self.instance.refuse(self.request, self.answer, code, message)

    def cancel(self, why):
        """The handler is told; its answer is cut off."""
        if self._why is not None or self.over.done():
            return
        self._why = why
        self.answer.stop()
        self._stopped.set()
        self._task.cancel()
        self._end()

    def _expire(self):
        if self.over.done():
            return
        self.is_expired = True
        self.instance.counts.expire()
        print(f'Invocation {self.request_id} of {self.name} exceeded its deadline of {self.timeout_ms} ms', file=sys.stderr)
        self.refuse('FUNCTION_TIMEOUT', f'The function did not finish within {self.timeout_ms} ms.')
        self.cancel(Cancelled('the deadline of the invocation has passed'))

    def release(self):
        if self.is_released:
            return
        self.is_released = True
        seconds = time.perf_counter() - self.begun
        self.instance.counts.observe(seconds)
        self.instance.release(self)
        status = self.answer.status
        is_error = self.has_failed or self.is_expired or status >= 500
        kind = 'FUNCTION_TIMEOUT' if self.is_expired else 'FUNCTION_ERROR' if self.has_failed else str(status) if status >= 500 else ''
        trigger = 'http'
        if self.call_id:
            is_event = (self.request.headers.get('content-type') or '').startswith('application/cloudevents')
            trigger = 'datasource' if is_event else 'pubsub'
        options = self.instance.options
        self.span.record(self.name, 2, seconds, is_error, {
            'faas.name': self.name, 'faas.version': options.version, 'faas.instance': options.instance,
            'faas.coldstart': self.is_cold, 'faas.trigger': trigger, 'faas.invocation_id': self.call_id,
            'ryo_faas.request_id': self.request_id, 'http.request.method': self.request.method,
            'url.path': self.request.path, 'http.response.status_code': status, 'error.type': kind,
        })


def own_frames(error):
    """The part of a traceback that is not the runtime's."""
    found = error.__traceback__
    while found is not None and '/ryo_faas/' in found.tb_frame.f_code.co_filename.replace('\\', '/'):
        found = found.tb_next
    return found or error.__traceback__


def as_json(values):
    try:
        return json.loads(unquote(values[0])) if values else None
    except ValueError:
        return None


def instance_too_large(instance):
    return f'The body is larger than {instance.options.body_limit} bytes.'
