"""Where the engine does not stamp lines itself, each that is printed gets a time, in the CRI log format."""
import io
import sys
import threading
from datetime import datetime, timezone


class Stamped(io.TextIOBase):
    def __init__(self, to, name):
        self._to = to
        self._name = name
        self._rest = ''
        self._lock = threading.RLock()

    encoding = 'utf-8'
    errors = 'backslashreplace'

    @property
    def buffer(self):
        return self._to.buffer

    def fileno(self):
        return self._to.fileno()

    def writable(self):
        return True

    def write(self, text):
        with self._lock:
            *lines, self._rest = (self._rest + text).split('\n')
            if lines:
                now = datetime.now(timezone.utc).isoformat(timespec='milliseconds').replace('+00:00', 'Z')
                self._to.write(''.join(f'{now} {self._name} F {line}\n' for line in lines))
                self._to.flush()
        return len(text)

    def flush(self):
        self._to.flush()

    def finish(self):
        if self._rest:
            self.write('\n')


def stamp_logs(wanted):
    sys.stdout.reconfigure(errors='backslashreplace', line_buffering=True)
    sys.stderr.reconfigure(errors='backslashreplace', line_buffering=True)
    if wanted:
        sys.stdout, sys.stderr = Stamped(sys.stdout, 'stdout'), Stamped(sys.stderr, 'stderr')


def finish_logs():
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Stamped):
            stream.finish()
        stream.flush()
