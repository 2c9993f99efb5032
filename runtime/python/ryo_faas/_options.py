"""What the platform tells an instance; the names are those of runtime/src/protocol/env.ts."""
import os

HEALTH_PATH = '/.ryo-faas/health'
METRICS_PATH = '/.ryo-faas/metrics'
REST_PATH = '/.ryo-faas/rest'
EVENTS_PREFIX = '/.ryo-faas/events/'
RESERVED = '/.ryo-faas/'

STATUS_OF = {
    'BAD_REQUEST': 400, 'FUNCTION_NOT_FOUND': 404, 'HANDLER_NOT_FOUND': 404, 'PAYLOAD_TOO_LARGE': 413,
    'FUNCTION_OVERLOADED': 429, 'FUNCTION_ERROR': 500, 'FUNCTION_UNAVAILABLE': 503, 'FUNCTION_TIMEOUT': 504,
}


class Options:
    def __init__(self, name, environ=os.environ):
        def text(variable, fallback=''):
            return environ.get(variable) or fallback

        def whole(variable, fallback):
            given = environ.get(variable)
            if not given:
                return fallback
            if not given.isdecimal():
                raise ValueError(f"{variable} is '{given}' but must be a whole number")
            return int(given)

        self.name = text('RYO_FAAS_FUNCTION', name)
        self.version = text('RYO_FAAS_VERSION', '0')
        self.instance = text('RYO_FAAS_INSTANCE', 'local')
        self.host = text('RYO_FAAS_HOST', '0.0.0.0')
        self.port = whole('RYO_FAAS_PORT', 6000)
        self.ready_file = text('RYO_FAAS_READY_FILE')
        self.proxy_url = text('RYO_FAAS_PROXY_URL').rstrip('/')
        self.store_url = text('RYO_FAAS_STORE_URL').rstrip('/')
        self.token = text('RYO_FAAS_TOKEN')
        self.delivery_token = text('RYO_FAAS_DELIVERY_TOKEN')
        # Without it a connection is answered nothing; empty: all are answered.
        self.instance_key = text('RYO_FAAS_INSTANCE_KEY')
        self.traces_url = text('RYO_FAAS_TRACES_URL').rstrip('/')
        self.trace_sampling = text('RYO_FAAS_TRACE_SAMPLING')
        # Milliseconds; 0: no limit.
        self.timeout_ms = whole('RYO_FAAS_TIMEOUT_MS', 0)
        self.drain_ms = whole('RYO_FAAS_DRAIN_MS', 10_000)
        self.concurrency = whole('RYO_FAAS_CONCURRENCY', 0)
        self.body_limit = whole('RYO_FAAS_BODY_LIMIT_BYTES', 0)
        self.stamp_logs = text('RYO_FAAS_STAMP_LOGS') == '1'
