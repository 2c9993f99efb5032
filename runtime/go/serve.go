package faas

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
)

// Handle serves one handler until SIGTERM or SIGINT. The generated main of a function calls it.
func Handle(name string, handler http.HandlerFunc) {
	run(name, func() (*service, error) { return &service{single: handler}, nil })
}

// HandleEvents runs handler for the document events that deploy.json names. The generated main of a trigger calls it.
func HandleEvents[H EventHandler](name string, handler H) {
	run(name, func() (*service, error) {
		return &service{triggers: map[string]eventFunc{triggerKey: eventFuncOf(handler)}}, nil
	})
}

// HandleAll serves what register registers. The generated main of a combination calls it.
func HandleAll(name string, register func()) {
	run(name, func() (*service, error) {
		register()
		return registration.close()
	})
}

func run(name string, load func() (*service, error)) {
	if err := serve(name, load); err != nil {
		fmt.Fprintf(os.Stderr, "%s could not start: %v\n", name, err)
		os.Exit(1)
	}
}

func serve(name string, load func() (*service, error)) error {
	limitMemory()
	own, err := readOptions(name)
	if err != nil {
		return err
	}
	trustCertificates()
	handlers, err := load()
	if err != nil {
		return err
	}
	logs := stampLogs(own.stampLogs)
	defer logs.close()
	instance := newInstance(own, handlers)
	http.DefaultTransport = &tracedTransport{next: http.DefaultTransport}
	bound, err := net.Listen("tcp", net.JoinHostPort(own.host, own.port))
	if err != nil {
		return err
	}
	listener := newListener(bound.(*net.TCPListener), instance.connections)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	failed := make(chan error, 1)
	go func() { failed <- instance.server.Serve(listener) }()
	if own.readyFile != "" {
		if err := announce(own.readyFile, listener.Addr().(*net.TCPAddr).Port); err != nil {
			return err
		}
	}
	select {
	case err := <-failed:
		return err
	case <-signals:
	}
	// An engine may say it twice; whoever presses Ctrl-C again will not wait.
	go func() {
		for again := range signals {
			if again == syscall.SIGINT {
				os.Exit(1)
			}
		}
	}()
	instance.drain(listener)
	instance.tracer.close()
	return nil
}

// announce renames into place, so that the waiting process never reads half of it.
func announce(readyFile string, port int) error {
	content, err := json.Marshal(map[string]int{"port": port, "pid": os.Getpid()})
	if err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s.%d.tmp", readyFile, os.Getpid())
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, readyFile)
}

const memoryFlag = "--ryo-faas-memory-mb="

// limitMemory makes the garbage collector work harder before the limit is reached, instead of beyond it.
func limitMemory() {
	if len(os.Args) < 2 || !strings.HasPrefix(os.Args[1], memoryFlag) {
		return
	}
	if megabytes, err := strconv.ParseInt(os.Args[1][len(memoryFlag):], 10, 64); err == nil {
		debug.SetMemoryLimit(megabytes * 1024 * 1024 * 9 / 10)
	}
	os.Args = append(os.Args[:1], os.Args[2:]...)
}

// trustCertificates finds authorities where an image has none of its own: next to the program, and those that the
// platform adds. The standard library reads these variables at the first connection.
func trustCertificates() {
	program, err := os.Executable()
	bundle := filepath.Join(filepath.Dir(program), "certificates.pem")
	if _, missing := os.Stat(bundle); err == nil && missing == nil && os.Getenv("SSL_CERT_FILE") == "" {
		os.Setenv("SSL_CERT_FILE", bundle)
	}
	if added := os.Getenv("NODE_EXTRA_CA_CERTS"); added != "" && os.Getenv("SSL_CERT_DIR") == "" {
		os.Setenv("SSL_CERT_DIR", filepath.Dir(added))
	}
}

// A Context of an invocation: the request's, with what the platform knows about it.
type invocationKey struct{}

func invocationOf(ctx context.Context) *Invocation {
	found, _ := ctx.Value(invocationKey{}).(*Invocation)
	return found
}
