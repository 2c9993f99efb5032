"""What the generated program of a function calls."""
import asyncio
import importlib
import json
import os
import sys
import traceback

from ._events import event_handler
from ._instance import Instance
from ._invocation import own_frames
from ._logs import finish_logs, stamp_logs
from ._options import Options
from ._service import Handlers, Service, TRIGGER_KEY
from ._styles import handler_of


def start(name, kind, module, attribute):
    """
    Loads the handler and serves it until SIGTERM. `kind`: http, async, trigger or service. Ends the process: what handlers
    left running does not keep it.
    """
    code = 1
    try:
        options = Options(name)
        stamp_logs(options.stamp_logs)
        handlers = load(kind, module, attribute)
        instance = Instance(options, handlers)
        asyncio.run(instance.run(lambda port: announce(options.ready_file, port)))
        instance.tracer.close()
        code = 0
    except BaseException as error:  # Also SystemExit of a module that is a script.
        print(f'{name} could not start: {error!r}', file=sys.stderr)
        traceback.print_exception(type(error), error, own_frames(error))
    finish_logs()
    os._exit(code)


def load(kind, module, attribute):
    given = importlib.import_module(module)
    for part in attribute.split('.'):
        given = getattr(given, part)
    if kind == 'trigger':
        return Handlers(triggers={TRIGGER_KEY: event_handler(given)})
    if kind == 'service':
        service = Service()
        result = given(service)
        if asyncio.iscoroutine(result):
            asyncio.run(result)
        return service.close()
    return Handlers(single=handler_of(given))


def announce(ready_file, port):
    """Renamed into place, so that the process that waits never reads half of it."""
    if not ready_file:
        return
    unfinished = f'{ready_file}.{os.getpid()}.tmp'
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w', encoding='utf-8') as file:
        json.dump({'port': port, 'pid': os.getpid()}, file)
    os.replace(unfinished, ready_file)
