"""
HTTP/1.1 for one instance, on asyncio. Invariants: 1. A request that is not whole or not clear is refused, and its
connection ends. 2. An answer that was cut off ends its connection, so that nobody takes half of it for a whole.
"""
import asyncio
import json
import re
from http import HTTPStatus

MAX_HEAD = 64 * 1024
# Longer than any proxy keeps an idle connection.
KEEP_ALIVE_S = 75
# What is left of a body that nobody read, so that the next request can be: more closes the connection.
MAX_LEFT = 256 * 1024
READ_SIZE = 64 * 1024

TOKEN = re.compile(rb"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$")
BAD_VALUE = re.compile(rb'[\x00\r\n]')


class Refused(Exception):
    """The request is malformed."""


class TooLarge(Exception):
    """The body is larger than allowed."""


class Gone(ConnectionError):
    """The connection closed before the answer was complete."""


class Headers:
    """Names in any case; `items` has all of them, in lower case and in order."""

    def __init__(self, pairs):
        self._pairs = [(name.lower(), value) for name, value in pairs]

    def get(self, name, default=None):
        found = self.all(name)
        return ', '.join(found) if found else default

    def all(self, name):
        name = name.lower()
        return [value for key, value in self._pairs if key == name]

    def take(self, name):
        """The values of a header, which is gone then."""
        found = self.all(name)
        if found:
            self._pairs = [pair for pair in self._pairs if pair[0] != name]
        return found

    def set(self, name, value):
        self.take(name)
        self._pairs.append((name, value))

    def items(self):
        return list(self._pairs)

    def __getitem__(self, name):
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name):
        return bool(self.all(name))

    def __iter__(self):
        return iter(dict.fromkeys(key for key, _ in self._pairs))

    def __len__(self):
        return len(self._pairs)


class Body:
    """What of a request follows its head; read in pieces."""

    def __init__(self, connection, length, is_chunked, limit):
        self._connection = connection
        self._left = length
        self._is_chunked = is_chunked
        self._limit = limit
        self._seen = 0
        self.is_done = not is_chunked and length == 0
        self._in_chunk = 0
        self.expects = False

    async def read(self, most=READ_SIZE):
        """The next bytes; none at the end. Raises TooLarge, Gone, Refused."""
        if self.is_done:
            return b''
        if self.expects:
            self.expects = False
            self._connection.write(b'HTTP/1.1 100 Continue\r\n\r\n')
        try:
            piece = await (self._chunk(most) if self._is_chunked else self._plain(most))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.is_done = True
            raise Gone('the connection closed within a request') from error
        self._seen += len(piece)
        if self._limit and self._seen > self._limit:
            raise TooLarge
        return piece

    async def read_all(self):
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b''.join(pieces)

    async def _plain(self, most):
        piece = await self._connection.reader.read(min(most, self._left))
        if not piece:
            raise asyncio.IncompleteReadError(b'', self._left)
        self._left -= len(piece)
        self.is_done = self._left == 0
        return piece

    async def _chunk(self, most):
        reader = self._connection.reader
        if self._in_chunk == 0:
            line = await reader.readuntil(b'\r\n')
            size = line.split(b';', 1)[0].strip()
            if not re.fullmatch(rb'[0-9A-Fa-f]{1,15}', size):
                raise Refused('a chunk has no size')
            self._in_chunk = int(size, 16)
            if self._in_chunk == 0:
                while await reader.readuntil(b'\r\n') != b'\r\n':
                    pass
                self.is_done = True
                return b''
        piece = await reader.read(min(most, self._in_chunk))
        if not piece:
            raise asyncio.IncompleteReadError(b'', self._in_chunk)
        self._in_chunk -= len(piece)
        if self._in_chunk == 0 and await reader.readexactly(2) != b'\r\n':
            raise Refused('a chunk does not end')
        return piece


class Request:
    def __init__(self, method, target, version, headers, body):
        self.method = method
        self.target = target
        self.path, _, self.query_string = target.partition('?')
        self.version = version
        self.headers = headers
        self.body = body


class Answer:
    """The answer to one request. `write` waits until the client takes it; after `stop` all that is written is dropped."""

    def __init__(self, connection, request):
        self._connection = connection
        self._is_head = request.method == 'HEAD'
        self._is_old = request.version == '1.0'
        self.is_sent = False
        self.is_whole = False
        self.is_stopped = False
        self.status = 200
        self._left = None
        self._is_chunked = False
        self._has_body = True

    def start(self, status, headers):
        if self.is_stopped:
            return
        self.is_sent, self.status = True, status
        names = {name.lower() for name, _ in headers}
        self._has_body = not self._is_head and status >= 200 and status not in (204, 304)
        lines = [f'HTTP/1.1 {status} {phrase(status)}'.encode('latin1')]
        for name, value in headers:
            key = name.encode('latin1') if isinstance(name, str) else name
            text = value.encode('latin1') if isinstance(value, str) else value
            if not TOKEN.match(key) or BAD_VALUE.search(text):
                raise ValueError(f'{name!r}: {value!r} cannot be a header')
            lower = key.lower()
            if lower in (b'connection', b'keep-alive', b'transfer-encoding'):
                if lower == b'connection' and text.lower() == b'close':
                    self._connection.is_last = True
                continue
            if lower == b'content-length':
                self._left = int(text)
            lines.append(key + b': ' + text)
        names = {name if isinstance(name, str) else name.decode('latin1') for name in names}
        if self._has_body and 'content-length' not in names:
            if self._is_old:
                self._connection.is_last = True
            else:
                self._is_chunked = True
                lines.append(b'transfer-encoding: chunked')
        if 'date' not in names:
            lines.append(b'date: ' + self._connection.date())
        if self._connection.server.is_draining:
            self._connection.is_last = True
        if self._connection.is_last:
            lines.append(b'connection: close')
        self._connection.write(b'\r\n'.join(lines) + b'\r\n\r\n')

    async def write(self, data):
        if self.is_stopped or not data or not self._has_body:
            return
        if self._left is not None:
            if len(data) > self._left:
                raise ValueError('the body is longer than its content-length')
            self._left -= len(data)
        self._connection.write(b'%x\r\n%b\r\n' % (len(data), data) if self._is_chunked else data)
        await self._connection.drain()

    def end(self):
        if self.is_stopped or self.is_whole:
            return
        if self._has_body and self._left:
            raise ValueError('the body is shorter than its content-length')
        if self._is_chunked and self._has_body:
            self._connection.write(b'0\r\n\r\n')
        self.is_whole = True

    def stop(self):
        """The handler has no say any more; what it began is cut off."""
        if self.is_sent and not self.is_whole:
            self._connection.abort()
        self.is_stopped = True

    def answer(self, status, headers, body):
        """The platform's own, if nothing was sent yet."""
        if self.is_stopped or self.is_sent:
            self.stop()
            return
        self._connection.is_last = True
        self.start(status, [*headers, ('content-length', str(len(body)))])
        if self._has_body:
            self._connection.write(body)
        self.is_whole = True
        self.is_stopped = True

    def json(self, status, value, headers=()):
        body = json.dumps(value).encode() + b'\n'
        self.start(status, [('content-type', 'application/json; charset=utf-8'), *headers, ('content-length', str(len(body)))])
        if self._has_body:
            self._connection.write(body)
        self.is_whole = True


class Connection(asyncio.StreamReaderProtocol):
    """One connection, one request after the other."""

    def __init__(self, server):
        self._loop_of_it = asyncio.get_running_loop()
        self.reader = asyncio.StreamReader(limit=MAX_HEAD, loop=self._loop_of_it)
        super().__init__(self.reader, self._connected, loop=self._loop_of_it)
        self.server = server
        self.writer = None
        self.is_last = False
        self.is_idle = True
        self.is_gone = False
        self.on_gone = None
        self.is_admitted = False

    def _connected(self, _reader, writer):
        self.writer = writer
        self.server.connections.add(self)
        self._task = self._loop_of_it.create_task(self._serve())

    def data_received(self, data):
        # What has arrived is not idle, also if its task has had no turn yet.
        self.is_idle = False
        super().data_received(data)

    def eof_received(self):
        super().eof_received()
        self._leave()
        return True

    def connection_lost(self, error):
        super().connection_lost(error)
        self._leave()

    def _leave(self):
        self.is_gone = True
        if self.on_gone is not None:
            self.on_gone()

    def date(self):
        return self.server.date()

    def write(self, data):
        if not self.writer.transport.is_closing():
            self.writer.write(data)

    async def drain(self):
        if self.writer.transport.is_closing():
            raise Gone('the connection closed before the answer was complete')
        try:
            await self.writer.drain()
        except ConnectionError as error:
            raise Gone(str(error)) from error

    def abort(self):
        self.is_last = True
        self.writer.transport.abort()

    def close(self, last_word=b''):
        if last_word and not self.writer.transport.is_closing():
            self.writer.write(last_word)
        self.writer.close()

    async def _serve(self):
        try:
            while not self.is_last:
                self.is_idle = True
                head = await asyncio.wait_for(self._head(), KEEP_ALIVE_S)
                if head is None:
                    break
                self.is_idle = False
                try:
                    request = parse(head, self, self.server.body_limit)
                except Refused as error:
                    self.is_last = True
                    Answer(self, Request('GET', '/', '1.1', Headers([]), None)).json(400, {'message': str(error)})
                    break
                if request.version == '1.0' or 'close' in (request.headers.get('connection') or '').lower():
                    self.is_last = True
                answer = Answer(self, request)
                await self.server.serve(request, answer, self)
                self.on_gone = None
                if not answer.is_whole:
                    self.abort()
                    break
                await self._skip(request.body)
                await self.drain()
        except (asyncio.TimeoutError, ConnectionError, Refused, TooLarge):
            pass
        finally:
            self.server.connections.discard(self)
            if not self.writer.transport.is_closing():
                self.writer.close()

    async def _head(self):
        try:
            return await self.reader.readuntil(b'\r\n\r\n')
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError:
            self.is_last = True
            self.write(b'HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
            return None

    async def _skip(self, body):
        if self.is_last or body.is_done:
            return
        if body.expects:
            self.is_last = True
            return
        left = 0
        while piece := await body.read():
            left += len(piece)
            if left > MAX_LEFT:
                self.is_last = True
                return


def parse(head, connection, limit):
    first, *lines = head[:-4].split(b'\r\n')
    words = first.split(b' ')
    if len(words) != 3 or not TOKEN.match(words[0]) or words[2] not in (b'HTTP/1.1', b'HTTP/1.0'):
        raise Refused('this is not HTTP/1.1')
    pairs = []
    for line in lines:
        name, colon, value = line.partition(b':')
        if not colon or not TOKEN.match(name) or BAD_VALUE.search(value):
            raise Refused('a header is malformed')
        pairs.append((name.decode('latin1'), value.strip(b' \t').decode('latin1')))
    headers = Headers(pairs)
    codings, lengths = headers.all('transfer-encoding'), headers.all('content-length')
    if codings and (lengths or [coding.lower() for coding in codings] != ['chunked']):
        raise Refused('the length of the body is not clear')
    if len(set(lengths)) > 1 or any(not length.isdecimal() for length in lengths):
        raise Refused('the length of the body is not clear')
    body = Body(connection, int(lengths[0]) if lengths else 0, bool(codings), limit)
    body.expects = (headers.get('expect') or '').lower() == '100-continue'
    target = words[1].decode('latin1')
    if not target.startswith('/'):
        raise Refused('the path does not begin with /')
    return Request(words[0].decode('latin1'), target, words[2][5:].decode(), headers, body)


def phrase(status):
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return 'Unknown'
