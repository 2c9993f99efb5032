// Package faas is what runs in the process of a Go function: the server around its handlers, and clients for other
// functions and for the store. It uses the standard library only.
package faas

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"
)

// What the platform tells an instance; the names are those of runtime/src/protocol/env.ts.
type options struct {
	name, version, instance  string
	host, port, readyFile    string
	proxyURL, storeURL       *url.URL
	token, deliveryToken     string
	instanceKey              string
	tracesURL, traceSampling string
	timeout, drain           time.Duration
	concurrency, bodyLimit   int64
	stampLogs                bool
}

func readOptions(name string) (options, error) {
	var failed error
	whole := func(variable string, fallback int64) int64 {
		text := os.Getenv(variable)
		if text == "" {
			return fallback
		}
		value, err := strconv.ParseInt(text, 10, 64)
		if err != nil || value < 0 {
			failed = fmt.Errorf("%s is '%s' but must be a whole number", variable, text)
		}
		return value
	}
	address := func(variable string) *url.URL {
		text := os.Getenv(variable)
		if text == "" {
			return nil
		}
		parsed, err := url.Parse(text)
		if err != nil || parsed.Host == "" {
			failed = fmt.Errorf("%s is '%s' but must be a URL", variable, text)
		}
		return parsed
	}
	own := options{
		name:          or(os.Getenv("RYO_FAAS_FUNCTION"), name),
		version:       or(os.Getenv("RYO_FAAS_VERSION"), "0"),
		instance:      or(os.Getenv("RYO_FAAS_INSTANCE"), "local"),
		host:          or(os.Getenv("RYO_FAAS_HOST"), "0.0.0.0"),
		port:          or(os.Getenv("RYO_FAAS_PORT"), "6000"),
		readyFile:     os.Getenv("RYO_FAAS_READY_FILE"),
		proxyURL:      address("RYO_FAAS_PROXY_URL"),
		storeURL:      address("RYO_FAAS_STORE_URL"),
		token:         os.Getenv("RYO_FAAS_TOKEN"),
		instanceKey:   os.Getenv("RYO_FAAS_INSTANCE_KEY"),
		deliveryToken: os.Getenv("RYO_FAAS_DELIVERY_TOKEN"),
		tracesURL:     os.Getenv("RYO_FAAS_TRACES_URL"),
		traceSampling: os.Getenv("RYO_FAAS_TRACE_SAMPLING"),
		timeout:       time.Duration(whole("RYO_FAAS_TIMEOUT_MS", 0)) * time.Millisecond,
		drain:         time.Duration(whole("RYO_FAAS_DRAIN_MS", 10_000)) * time.Millisecond,
		concurrency:   whole("RYO_FAAS_CONCURRENCY", 0),
		bodyLimit:     whole("RYO_FAAS_BODY_LIMIT_BYTES", 0),
		stampLogs:     os.Getenv("RYO_FAAS_STAMP_LOGS") == "1",
	}
	return own, failed
}

func or(text, fallback string) string {
	if text != "" {
		return text
	}
	return fallback
}
