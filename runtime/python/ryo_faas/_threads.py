"""Threads for handlers that are not async. None of them keeps the process alive, as one in a handler that never ends would."""
import asyncio
import contextvars
import queue
import threading


class Threads:
    def __init__(self):
        self._work = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0

    def run(self, function):
        """Runs it in another thread with the context of now; a future of this loop."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self._lock:
            if self._free > 0:
                self._free -= 1
            else:
                threading.Thread(target=self._serve, daemon=True).start()
        self._work.put((contextvars.copy_context(), function, loop, future))
        return future

    def _serve(self):
        while True:
            context, function, loop, future = self._work.get()
            result = error = None
            try:
                result = context.run(function)
            except StopIteration as raised:
                error = RuntimeError(f'the handler raised {raised!r}')  # A future cannot hold it.
            except BaseException as raised:  # Not even SystemExit ends the process.
                error = raised
            with self._lock:
                self._free += 1
            try:
                loop.call_soon_threadsafe(settle, future, result, error)
            except RuntimeError:
                return  # The loop is over.
            context = function = future = result = error = None


def settle(future, result, error):
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, (SystemExit, KeyboardInterrupt)):
        wrapped = RuntimeError(f'the handler raised {error!r}')
        wrapped.__cause__ = error
        future.set_exception(wrapped)
    else:
        future.set_exception(error)
