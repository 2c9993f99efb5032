package faas

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"sync"
)

// Upper bounds in seconds: those of the runtime for Node.
var durationBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}

type counts struct {
	mutex                                sync.Mutex
	begun, invocations, errors, timeouts uint64
	secondsSum                           float64
	buckets                              [17]uint64
}

// begin reports whether this is the first invocation of the instance.
func (c *counts) begin() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.begun++
	return c.begun == 1
}

func (c *counts) observe(seconds float64) {
	bucket := 0
	for bucket < len(durationBuckets) && seconds > durationBuckets[bucket] {
		bucket++
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.invocations++
	c.secondsSum += seconds
	c.buckets[bucket]++
}

func (c *counts) fail() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.errors++
}

func (c *counts) expire() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.timeouts++
}

// write renders Prometheus text.
func (c *counts) write(w io.Writer, name string, inflight int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	var page bytes.Buffer
	labels := fmt.Sprintf(`faas_name=%q,faas_trigger="http"`, name)
	family := func(kind, title, help string, value any) {
		fmt.Fprintf(&page, "# HELP %s %s\n# TYPE %s %s\n%s{%s} %v\n", title, help, title, kind, title, labels, value)
	}
	cold := 0
	if c.begun > 0 {
		cold = 1
	}
	family("counter", "faas_invocations_total", "Invocations that have ended.", c.invocations)
	family("counter", "faas_errors_total", "Invocations that failed with an error.", c.errors)
	family("counter", "faas_timeouts_total", "Invocations cut off at their deadline.", c.timeouts)
	family("counter", "faas_coldstarts_total", "Invocations that were the first of their instance.", cold)
	family("gauge", "faas_inflight_invocations", "Invocations that are currently running.", inflight)
	title := "faas_invoke_duration_seconds"
	fmt.Fprintf(&page, "# HELP %s Time from request to end of response.\n# TYPE %s histogram\n", title, title)
	seen := uint64(0)
	for index, count := range c.buckets {
		bound := "+Inf"
		if index < len(durationBuckets) {
			bound = strconv.FormatFloat(durationBuckets[index], 'g', -1, 64)
		}
		seen += count
		fmt.Fprintf(&page, "%s_bucket{le=%q,%s} %d\n", title, bound, labels, seen)
	}
	fmt.Fprintf(&page, "%s_sum{%s} %v\n%s_count{%s} %d\n", title, labels, c.secondsSum, title, labels, c.invocations)

	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	labels = fmt.Sprintf("faas_name=%q", name)
	family("gauge", "go_goroutines", "Goroutines that currently exist.", runtime.NumGoroutine())
	family("gauge", "go_memstats_heap_alloc_bytes", "Bytes of live and unswept heap objects.", memory.HeapAlloc)
	family("gauge", "go_memstats_sys_bytes", "Bytes obtained from the system.", memory.Sys)
	_, _ = w.Write(page.Bytes())
}
