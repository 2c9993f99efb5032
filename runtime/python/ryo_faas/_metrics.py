"""Counts of an instance as Prometheus text, with the names and buckets of the runtime for Node."""
import threading

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Counts:
    def __init__(self):
        self._lock = threading.Lock()
        self._begun = self._ended = self._errors = self._timeouts = 0
        self._seconds = 0.0
        self._buckets = [0] * (len(BUCKETS) + 1)

    def begin(self):
        """Whether this is the first invocation of the instance."""
        with self._lock:
            self._begun += 1
            return self._begun == 1

    def observe(self, seconds):
        bucket = next((index for index, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))
        with self._lock:
            self._ended += 1
            self._seconds += seconds
            self._buckets[bucket] += 1

    def fail(self):
        with self._lock:
            self._errors += 1

    def expire(self):
        with self._lock:
            self._timeouts += 1

    def page(self, name, inflight):
        labels = f'faas_name="{name}",faas_trigger="http"'
        lines = []

        def family(kind, title, about, value):
            lines.extend([f'# HELP {title} {about}', f'# TYPE {title} {kind}', f'{title}{{{labels}}} {value}'])

        with self._lock:
            family('counter', 'faas_invocations_total', 'Invocations that have ended.', self._ended)
            family('counter', 'faas_errors_total', 'Invocations that failed with an error.', self._errors)
            family('counter', 'faas_timeouts_total', 'Invocations cut off at their deadline.', self._timeouts)
            family('counter', 'faas_coldstarts_total', 'Invocations that were the first of their instance.', min(1, self._begun))
            family('gauge', 'faas_inflight_invocations', 'Invocations that are currently running.', inflight)
            title = 'faas_invoke_duration_seconds'
            lines.extend([f'# HELP {title} Time from request to end of response.', f'# TYPE {title} histogram'])
            seen = 0
            for bound, count in zip([*BUCKETS, '+Inf'], self._buckets):
                seen += count
                lines.append(f'{title}_bucket{{le="{bound}",{labels}}} {seen}')
            lines.append(f'{title}_sum{{{labels}}} {self._seconds}')
            lines.append(f'{title}_count{{{labels}}} {self._ended}')
        return '\n'.join(lines) + '\n'
