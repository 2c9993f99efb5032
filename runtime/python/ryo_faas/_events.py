"""Events as handlers get them and publish them (CloudEvents 1.0), and the form of their handlers."""
import inspect
import json
import os
import time
from binascii import a2b_base64, b2a_base64

from ._clients import ask
from ._context import current
from ._styles import THREADS, is_async, positional

STRUCTURED, BATCH = 'application/cloudevents+json', 'application/cloudevents-batch+json'
# Types that only the store makes.
OF_DOCUMENTS = 'ryo-faas.store.'


class Document(dict):
    """A document of the store, by key or by attribute: id, table, version, createdAt, editedAt, data."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class DocumentEvent:
    """One change of one document. An event that is delivered twice has the same sequence."""

    def __init__(self, event):
        data = event['data']
        self.kind, self.table, self.id, self.version = data['kind'], data['table'], data['id'], data['version']
        # None for new-doc; None for deleted-doc.
        self.before = Document(data['before']) if data.get('before') else None
        self.after = Document(data['after']) if data.get('after') else None
        self.time, self.sequence = event.get('time'), int(event.get('sequence', 0))
        self.cloud_event = event


class CloudEvent:
    """
    An event that was published or posted. One that is delivered twice has the same source and id. `data`: what is JSON,
    text, or bytes; None if there is none. `attributes` has all the others by name, extensions included.
    """

    def __init__(self, event):
        self.attributes = {name: value for name, value in event.items() if name not in ('data', 'data_base64')}
        for name in ('id', 'source', 'type'):
            if not isinstance(self.attributes[name], str):
                raise ValueError(f'{name} is not text')
        binary = event.get('data_base64')
        self.data = event.get('data') if binary is None else a2b_base64(binary)

    def __getattr__(self, name):
        """An attribute by its name: `event.type`, or `event.subject`, which is None if the event has none."""
        if name in self.__dict__.get('attributes', {}):
            return self.attributes[name]
        if name in ('subject', 'time', 'datacontenttype', 'dataschema'):
            return None
        raise AttributeError(name)


class PublishError(Exception):
    """An event was refused. `status` is 0 if the platform cannot be reached."""

    def __init__(self, code, message, status=0):
        super().__init__(message)
        self.code, self.status = code, status


def publish(event):
    """
    Stores an event for all triggers that ask for it: a dict with `type`, usually `data` (what is JSON, or bytes), and any
    other attributes. What is left out is made: `id`, `source` (/functions/<name>) and `time`. A list: all or none. Returns
    what was published. It blocks, as `call` does.
    """
    invocation = current()
    base = invocation.instance.options.proxy_url
    if not base:
        raise RuntimeError('publish() needs the address of the proxy; is RYO_FAAS_PROXY_URL set?')
    is_list = isinstance(event, (list, tuple))
    events = [completed(each, invocation) for each in (event if is_list else [event])]
    if not events:
        return []
    body = json.dumps([in_json_format(each) for each in events] if is_list else in_json_format(events[0]))
    headers = {'content-type': BATCH if is_list else STRUCTURED}
    if invocation.instance.options.token:
        headers['proxy-authorization'] = f'Bearer {invocation.instance.options.token}'
    try:
        status, _, content = ask(invocation, 'POST', f'{base}/events', headers, body, ('send events', {'messaging.system': 'nats'}))
    except OSError as error:
        raise PublishError('UNREACHABLE', 'publish(): the platform cannot be reached') from error
    if status >= 300:
        raise refusal(status, content)
    return events if is_list else events[0]


def completed(event, invocation):
    now = time.time()
    whole = {
        'id': os.urandom(16).hex(), 'source': f'/functions/{invocation.name.lower()}',
        'time': time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now)) + f'.{int(now * 1_000) % 1_000:03}Z',
        **event, 'specversion': '1.0',
    }
    data = whole.get('data')
    if data is not None and 'datacontenttype' not in whole:
        whole['datacontenttype'] = 'application/octet-stream' if isinstance(data, (bytes, bytearray)) else 'application/json'
    return whole


def in_json_format(event):
    if not isinstance(event.get('data'), (bytes, bytearray)):
        return event
    made = {name: value for name, value in event.items() if name != 'data'}
    return {**made, 'data_base64': b2a_base64(event['data'], newline=False).decode()}


def refusal(status, content):
    try:
        error = json.loads(content)['error']
        return PublishError(error['code'], f"publish(): {error['message']}", status)
    except (ValueError, KeyError, TypeError):
        return PublishError('PUBLISH_ERROR', f'publish(): status {status}', status)


def event_of(body):
    """Raises ValueError, KeyError or TypeError if it is none."""
    event = json.loads(body)
    return DocumentEvent(event) if event['type'].startswith(OF_DOCUMENTS) else CloudEvent(event)


def event_handler(function):
    """Runs it for one event; what it raises has the event delivered again."""
    count = positional(function)
    if not callable(function) or count not in (1, 2, None):
        raise TypeError(f'{function!r} must take (event) or (event, context)')

    async def serve(invocation):
        try:
            event = event_of(await invocation.request.body.read_all())
        except (ValueError, KeyError, TypeError, AttributeError):
            invocation.refuse('BAD_REQUEST', 'This is not an event.')
            return
        arguments = (event,) if count == 1 else (event, invocation)
        result = await function(*arguments) if is_async(function) else await THREADS.run(lambda: function(*arguments))
        if inspect.isawaitable(result):
            await result
        invocation.answer.start(204, [])

    return serve
