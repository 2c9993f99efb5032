package faas

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"
)

// Where the engine does not stamp lines itself, what the process prints goes through a pipe and gets a time, in the CRI
// log format. What was printed before, and the last words of a crash, reach the log without one.
type stampedLogs struct {
	done  sync.WaitGroup
	pipes []*os.File
}

func stampLogs(wanted bool) *stampedLogs {
	logs := &stampedLogs{}
	if !wanted {
		return logs
	}
	logger := log.Writer() == io.Writer(os.Stderr)
	os.Stdout = logs.stamp(os.Stdout, "stdout")
	os.Stderr = logs.stamp(os.Stderr, "stderr")
	if logger {
		log.SetOutput(os.Stderr)
	}
	return logs
}

func (l *stampedLogs) stamp(to *os.File, name string) *os.File {
	reader, writer, err := os.Pipe()
	if err != nil {
		return to
	}
	l.pipes = append(l.pipes, writer)
	l.done.Add(1)
	go func() {
		defer l.done.Done()
		lines := bufio.NewReader(reader)
		for {
			line, err := lines.ReadString('\n')
			if line != "" {
				if err != nil {
					line += "\n"
				}
				fmt.Fprintf(to, "%s %s F %s", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), name, line)
			}
			if err != nil {
				return
			}
		}
	}()
	return writer
}

// close waits until everything has been written.
func (l *stampedLogs) close() {
	for _, pipe := range l.pipes {
		_ = pipe.Close()
	}
	l.done.Wait()
}
