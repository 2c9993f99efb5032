"""What an instance serves: one handler, one trigger, or all that a service registered."""
import re

from ._events import event_handler
from ._options import EVENTS_PREFIX
from ._styles import handler_of

# Key of the only handler of a trigger function.
TRIGGER_KEY = 'on'
KINDS = ('new-doc', 'updated-doc', 'deleted-doc')


class Handlers:
    def __init__(self, single=None, triggers=None):
        self.single = single
        self.routes = {}
        self.triggers = triggers or {}
        self.served = None
        self.on_stop = []

    def find(self, path):
        """The handler of a path, or the code and message of why there is none."""
        if path.startswith(EVENTS_PREFIX):
            found = self.triggers.get(path[len(EVENTS_PREFIX):])
            # The version that has it may be coming: the sender tries again.
            return found, 'FUNCTION_NOT_FOUND', 'There is no such event handler.'
        if self.single is not None:
            return self.single, '', ''
        at = path
        while at:
            if at in self.routes:
                return self.routes[at], '', ''
            if at == '/':
                break
            at = at[:at.rfind('/')] or '/'
        if not self.routes:
            return None, 'HANDLER_NOT_FOUND', 'This function runs on events; it does not answer requests.'
        known = ', '.join([*self.served['http'], *self.served['async']])
        return None, 'HANDLER_NOT_FOUND', f'This service answers at {known}.'

    def all(self):
        return [*([self.single] if self.single else []), *self.routes.values()]


class Service:
    """What `main(service)` registers. Each method also works as a decorator: `@service.http('/pay')`."""

    def __init__(self):
        self._handlers = Handlers()
        self._handlers.served = {'http': [], 'async': [], 'triggers': [], 'events': []}
        self._is_closed = False

    def http(self, path, handler=None):
        """Serves path and everything below it; the longest match wins. The handler sees the whole path."""
        return self._route('http', path, handler)

    def queued(self, path, handler=None):
        """Serves path asynchronously: queued durably, tried again, with the result sent to a callback."""
        return self._route('async', path, handler)

    def on(self, table, events, handler=None, ids=None):
        """Runs handler for changes of a table: `'new-doc'`, or a list; without ids, for every document."""
        what = f'service.on({table!r})'
        if handler is None:
            return lambda given: self.on(table, events, given, ids) or given
        self._must_be_open(what)
        kinds = [events] if isinstance(events, str) else list(events)
        for kind in kinds:
            if kind not in KINDS:
                raise ValueError(f'{what} knows {", ".join(KINDS)} but not {kind!r}')
        if not table:
            raise ValueError(f'{what} needs the name of a table')
        key = self._key_of(handler)
        self._handlers.triggers[key] = event_handler(handler)
        only = {} if ids is None else {'ids': list(ids)}
        self._handlers.served['triggers'].append({'key': key, 'table': table, 'events': kinds, **only})
        return None

    def on_event(self, type, handler=None, source=None):
        """Runs handler for events of a type, which others publish or post; a final `*` stands for any text, also in source."""
        what = f'service.on_event({type!r})'
        if handler is None:
            return lambda given: self.on_event(type, given, source) or given
        self._must_be_open(what)
        for pattern in (type, source):
            if pattern is not None and (not pattern or '*' in pattern[:-1]):
                raise ValueError(f'{what} needs a type, and a "*" may stand only at the end')
        key = self._key_of(handler)
        self._handlers.triggers[key] = event_handler(handler)
        only = {} if source is None else {'source': source}
        self._handlers.served['events'].append({'key': key, 'type': type, **only})
        return None

    def on_stop(self, run):
        """Runs after the last request of an instance that ends, the last registered first."""
        self._must_be_open('service.on_stop()')
        self._handlers.on_stop.append(run)
        return run

    def close(self):
        self._is_closed = True
        if not self._handlers.routes and not self._handlers.triggers:
            raise ValueError('main registers no handler: call service.http, service.queued, service.on or service.on_event in it')
        return self._handlers

    def _route(self, kind, given, handler):
        what = f'service.{"http" if kind == "http" else "queued"}({given!r})'
        if handler is None:
            return lambda function: self._route(kind, given, function) or function
        self._must_be_open(what)
        if not re.fullmatch(r'/[^?#]*', given):
            raise ValueError(f'{what} needs a path that starts with / and has no query')
        path = given.rstrip('/') or '/'
        if path in self._handlers.routes:
            raise ValueError(f'{what}: {path} is already served')
        self._handlers.routes[path] = handler_of(handler)
        self._handlers.served[kind].append(path)
        return None

    def _key_of(self, handler):
        """After its function, so that its progress is kept from version to version."""
        base = re.sub(r'[^A-Za-z0-9_-]', '_', getattr(handler, '__name__', 'handler'))[:50] or 'handler'
        key, count = base, 2
        while key in self._handlers.triggers:
            key, count = f'{base}-{count}', count + 1
        return key

    def _must_be_open(self, what):
        if self._is_closed:
            raise RuntimeError(f'{what} was called too late: register everything before main ends')
