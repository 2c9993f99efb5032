"""
Clients for the store and for other functions. They block: in an async handler, `await asyncio.to_thread(…)` runs them
beside the loop, with the same context.
"""
import json
import re
import time
from urllib.parse import quote, urlencode, urlsplit

from ._context import current
from ._http import Headers

VALID_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_-]{0,62}')


class StoreError(Exception):
    """An answer of the store that is not success. `status` is 0 if it cannot be reached."""

    def __init__(self, code, message, status=0):
        super().__init__(message)
        self.code, self.status = code, status


class CallResponse:
    """The answer of another function."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


def call(name, path='', method=None, headers=None, body=None, json_body=None):
    """
    Calls the function `name` and returns its answer, whatever its status. Request id, trace and remaining time are
    carried on. `body` is text or bytes, `json_body` anything that is JSON.
    """
    invocation = current()
    base = invocation.instance.options.proxy_url
    if not base:
        raise RuntimeError(f'call({name!r}) needs the address of the proxy; is RYO_FAAS_PROXY_URL set?')
    if not VALID_NAME.fullmatch(name):
        raise ValueError(f'call({name!r}): not a valid function name')
    if path and path[0] not in '/?':
        path = '/' + path
    # `..` in an untrusted path must not reach another function.
    if any(part in ('.', '..') for part in path.partition('?')[0].replace('%2e', '.').replace('%2E', '.').split('/')):
        raise ValueError(f'call({name!r}): the path {path!r} leaves the function')
    given = {key.lower(): value for key, value in (headers or {}).items()}
    if json_body is not None:
        body = json.dumps(json_body)
        given.setdefault('content-type', 'application/json')
    method = method or ('GET' if body is None else 'POST')
    span_name = f'call {name.lower()}'
    attributes = {'faas.invoked_name': name.lower(), 'faas.invoked_provider': 'ryo-faas'}
    status, answered, content = ask(invocation, method, f'{base}/functions/{name.lower()}{path}', given, body, (span_name, attributes))
    return CallResponse(status, answered, content)


class Table:
    """A table of the store; the first document creates it. Documents are dicts with id, table, version, createdAt, editedAt, data."""

    def __init__(self, name):
        if name in ('', '.', '..'):
            raise StoreError('INVALID_NAME', f'{name!r} cannot be a table name', 400)
        self._path = f'/tables/{quote(name, safe="")}/docs'

    def create(self, data, id=None):
        """Stores a new document. Without an id: a new one that sorts by time; one that exists: StoreError with status 409."""
        return self._ask('POST', self._path, {'data': data, **({} if id is None else {'id': id})})

    def get(self, id):
        """None if there is no such document."""
        try:
            return self._ask('GET', self._path_of(id))
        except StoreError as error:
            if error.status == 404:
                return None
            raise

    def update(self, id, patch, if_version=None):
        """Merges `patch` (RFC 7386) into an existing document."""
        return self._ask('PATCH', self._path_of(id), patch, if_version, 'application/merge-patch+json')

    def replace(self, id, data, if_version=None):
        """Creates or replaces the whole document."""
        return self._ask('PUT', self._path_of(id), {'data': data}, if_version)

    def delete(self, id, if_version=None):
        """Whether the document existed."""
        try:
            self._ask('DELETE', self._path_of(id), None, if_version)
            return True
        except StoreError as error:
            if error.status == 404:
                return False
            raise

    def query(self, where=None, order_by=None, limit=None, cursor=None):
        """A page of documents that match: {'documents': […], 'cursor': …}."""
        given = {'where': None if where is None else json.dumps(where), 'orderBy': order_by, 'limit': limit, 'cursor': cursor}
        return self._ask('GET', self._path + '?' + urlencode({key: value for key, value in given.items() if value is not None}))

    def _path_of(self, id):
        if id in ('', '.', '..'):
            raise StoreError('INVALID_NAME', f'{id!r} cannot be an id', 400)
        return f'{self._path}/{quote(id, safe="")}'

    def _ask(self, method, path, body=None, if_version=None, content_type='application/json'):
        """Nothing is retried: a write whose answer was lost may have happened, and only the caller knows what that means."""
        invocation = current()
        options = invocation.instance.options
        if not options.store_url:
            raise RuntimeError('store() needs the address of the store; is RYO_FAAS_STORE_URL set?')
        headers = {} if body is None else {'content-type': content_type}
        if if_version is not None:
            headers['if-match'] = f'"{if_version}"'
        if options.token:
            headers['authorization'] = f'Bearer {options.token}'
        text = None if body is None else json.dumps(body)
        what = (f'store {method}', {'db.system.name': 'ryo-faas'})
        try:
            status, _, content = ask(invocation, method, options.store_url + path, headers, text, what)
        except OSError as error:
            raise StoreError('STORE_UNAVAILABLE', f'{method} {path}: the store cannot be reached') from error
        if status < 300:
            return json.loads(content) if content else None
        try:
            failure = json.loads(content)['error']
            raise StoreError(failure['code'], f"{method} {path}: {failure['message']}", status)
        except (ValueError, KeyError, TypeError):
            raise StoreError('STORE_ERROR', f'{method} {path}: status {status}', status) from None


def store(table):
    """A table of the store."""
    return Table(table)


def ask(invocation, method, url, headers, body, what):
    """One request as part of the invocation, with a span. Returns status, headers and body."""
    import http.client  # A third of the time that an instance takes to start; many never need it.

    target = urlsplit(url)
    span = invocation.span.child()
    for name, value in {**invocation.carried(), **span.headers()}.items():
        headers.setdefault(name, value)
    name, attributes = what
    attributes.update({'http.request.method': method, 'server.address': target.hostname,
                       'url.full': f'{target.scheme}://{target.netloc}{target.path}'})
    begun, status = time.perf_counter(), None
    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=invocation.remaining_seconds())
    try:
        data = body.encode() if isinstance(body, str) else body
        connection.request(method, target.path + (f'?{target.query}' if target.query else ''), data, headers)
        response = connection.getresponse()
        status = response.status
        return status, Headers(response.getheaders()), response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f'{method} {url}: {error!r}') from error
    finally:
        connection.close()
        is_error = status is None or status >= 500
        attributes['http.response.status_code'] = status
        span.record(name, 3, time.perf_counter() - begun, is_error, attributes)
