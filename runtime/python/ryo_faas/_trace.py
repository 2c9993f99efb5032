"""
Traces of an instance, as runtime/src/telemetry has them: what is recorded are spans of sampled traces, and of the others
those that failed or were slow. Without a collector nothing is recorded, and trace contexts pass through.
"""
import json
import random
import re
import threading
import time
from collections import deque
from urllib.parse import unquote, urlsplit

MAX_EVENTS = 128
MAX_QUEUED = 4_096
MAX_BATCH = 512
SEND_EVERY_S = 0.25
SEND_TIMEOUT_S = 5
LAST_TIMEOUT_S = 1

PARENT = re.compile(r'([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?')
SAMPLED, RANDOM = 1, 2


class Sampler:
    def __init__(self):
        self._second = 0.0
        self._begun = 0
        self._lock = threading.Lock()

    def decide(self, per_second, ratio):
        with self._lock:
            now = time.monotonic()
            if now - self._second >= 1:
                self._second, self._begun = now, 0
            self._begun += 1
            return self._begun <= per_second or random.random() < ratio


class Tracer:
    def __init__(self, options):
        self.options = options
        self.settings = {'perSecond': 50, 'ratio': 0.001, 'slowMs': 1_000}
        self.exporter = None
        self.traces, self.exceptions = Sampler(), Sampler()
        if options.traces_url:
            if options.trace_sampling:
                self.settings.update(json.loads(options.trace_sampling))
            self.exporter = Exporter(options)

    def begin(self, headers):
        """The span of a request: a child of the caller's, or the first of a new trace."""
        baggage = headers.get('baggage', '')
        found = PARENT.fullmatch((headers.get('traceparent') or '').strip())
        if found and found[1] != 'ff' and not (found[1] == '00' and found[5]) and found[2].strip('0') and found[3].strip('0'):
            flags = int(found[4], 16) & (SAMPLED | RANDOM)
            span = Span(self, found[2], found[3], flags, headers.get('tracestate', ''), baggage)
            if self.exporter is None:
                span.span_id = found[3]
            return span
        flags = RANDOM
        if self.exporter is not None and self.traces.decide(self.settings['perSecond'], self.settings['ratio']):
            flags |= SAMPLED
        return Span(self, new_id(32), '', flags, '', baggage)

    def close(self):
        if self.exporter is not None:
            self.exporter.close()


class Span:
    def __init__(self, tracer, trace_id, parent_id, flags, state, baggage):
        self.tracer = tracer
        self.trace_id, self.parent_id, self.span_id = trace_id, parent_id, new_id(16)
        self.flags, self.state, self.baggage = flags, state, baggage
        self.attributes, self.events, self.dropped = {}, [], 0

    def child(self):
        own = Span(self.tracer, self.trace_id, self.span_id, self.flags, self.state, self.baggage)
        if self.tracer.exporter is None:
            own.span_id, own.parent_id = self.span_id, self.parent_id
        return own

    def headers(self):
        """What makes another request part of the trace."""
        carried = {'traceparent': f'00-{self.trace_id}-{self.span_id}-0{self.flags}'}
        if self.state:
            carried['tracestate'] = self.state
        if self.baggage:
            carried['baggage'] = self.baggage
        return carried

    def baggage_of(self, key):
        for member in self.baggage.split(','):
            name, _, value = member.partition(';')[0].partition('=')
            if name.strip() == key:
                return unquote(value.strip())
        return None

    def set_attribute(self, key, value):
        if self.tracer.exporter is not None:
            self.attributes[key] = value

    def add_event(self, name, attributes=None):
        if self.tracer.exporter is None:
            return
        if len(self.events) >= MAX_EVENTS:
            self.dropped += 1
        else:
            self.events.append((name, time.time_ns(), attributes or {}))

    def is_worth(self, is_error, seconds):
        tracer = self.tracer
        if tracer.exporter is None:
            return False
        if self.flags & SAMPLED:
            return True
        slow = tracer.settings['slowMs']
        if not is_error and not (slow > 0 and seconds * 1_000 >= slow):
            return False
        return tracer.exceptions.decide(tracer.settings['perSecond'], 0)

    def record(self, name, kind, seconds, is_error, attributes):
        if self.is_worth(is_error, seconds):
            if self.dropped:
                attributes['ryo_faas.dropped_events'] = self.dropped
            self.tracer.exporter.add(encoded(self, name, kind, seconds, is_error, {**attributes, **self.attributes}))


def encoded(span, name, kind, seconds, is_error, attributes):
    now = time.time_ns()
    made = {
        'traceId': span.trace_id, 'spanId': span.span_id, 'flags': span.flags, 'name': name, 'kind': kind,
        'startTimeUnixNano': str(now - int(seconds * 1e9)), 'endTimeUnixNano': str(now),
        'attributes': as_attributes(attributes),
    }
    if span.parent_id:
        made['parentSpanId'] = span.parent_id
    if span.state:
        made['traceState'] = span.state
    if is_error:
        made['status'] = {'code': 2}
    if span.events:
        made['events'] = [
            {'name': title, 'timeUnixNano': str(at), 'attributes': as_attributes(more)} for title, at, more in span.events
        ]
    return made


def as_attributes(values):
    made = []
    for key, value in values.items():
        if isinstance(value, bool):
            made.append({'key': key, 'value': {'boolValue': value}})
        elif isinstance(value, int):
            made.append({'key': key, 'value': {'intValue': str(value)}})
        elif isinstance(value, float):
            made.append({'key': key, 'value': {'doubleValue': value}})
        elif value is not None and str(value):
            made.append({'key': key, 'value': {'stringValue': str(value)}})
    return made


class Exporter:
    """
    Sends spans to the collector in batches (OTLP over HTTP, as JSON), and slows nothing down: at most MAX_QUEUED are
    held, and a batch that cannot be sent is dropped.
    """

    def __init__(self, options):
        self._url = urlsplit(options.traces_url)
        self._token = options.token
        self._resource = as_attributes({
            'service.name': options.name, 'service.version': options.version, 'service.instance.id': options.instance,
        })
        self._queue = deque()
        self._wake = threading.Event()
        self._thread = None
        self._timeout = SEND_TIMEOUT_S
        self._sending = threading.Lock()

    def add(self, span):
        if len(self._queue) >= MAX_QUEUED:
            return
        self._queue.append(span)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self._wake.set()

    def flush(self):
        # Also to wait for what is being sent.
        with self._sending:
            if not self._queue:
                return
            import http.client  # A third of the time that an instance takes to load it.

            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(MAX_BATCH, len(self._queue)))]
                try:
                    self._post(batch)
                except OSError:
                    pass  # The collector is away: traces are the least that is lost then.
                except http.client.HTTPException:
                    pass

    def close(self):
        self._timeout = LAST_TIMEOUT_S
        self.flush()

    def _run(self):
        while True:
            self._wake.wait()
            time.sleep(SEND_EVERY_S)
            self._wake.clear()
            self.flush()

    def _post(self, batch):
        import http.client

        body = json.dumps({'resourceSpans': [{
            'resource': {'attributes': self._resource},
            'scopeSpans': [{'scope': {'name': 'ryo-faas'}, 'spans': batch}],
        }]}).encode()
        headers = {'content-type': 'application/json'}
        if self._token:
            headers['authorization'] = f'Bearer {self._token}'
        connection = http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=self._timeout)
        try:
            connection.request('POST', self._url.path + '/v1/traces', body, headers)
            connection.getresponse().read()
        finally:
            connection.close()


def new_id(digits):
    return f'{random.getrandbits(digits * 4) or 1:0{digits}x}'
