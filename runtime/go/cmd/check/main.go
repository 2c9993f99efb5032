// Command check says whether functions in Go can be deployed, and what their programs are made of. It reads one JSON
// request from its input and writes one JSON answer for each function. It writes nothing but its cache.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// Request of the agent; see agent/src/languages/go/check-program.ts.
type Request struct {
	// Go is the path of the program go; Cache a folder of ours; Runtime the folder of the module faas.
	Go, Cache, Runtime string
	Functions          []Function
}

// Function as deploy.json names it; folders are absolute.
type Function struct {
	Name, Kind, Export            string
	RootDir, PackageDir, FilePath string
	// On has the kinds of events that start it.
	On []string
}

// Problem is one finding in the user's files; lines and columns count from 1, columns in UTF-16 units.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Hint    string `json:"hint,omitempty"`
}

func (p *Problem) Error() string { return p.Message }

// Answer has either problems or a program.
type Answer struct {
	Problems []*Problem `json:"problems,omitempty"`
	Program  *Program   `json:"program,omitempty"`
}

// Program is what `go build` gets: the module's folder, the package below it, and files that take the place of others.
type Program struct {
	Form    string            `json:"form"`
	Module  string            `json:"module"`
	Package string            `json:"package"`
	Overlay map[string]string `json:"overlay"`
	// Main is the generated entry.
	Main string `json:"main"`
	// Files that the program is made of, beyond those of other modules.
	Files []string `json:"files"`
	// Vendor is the folder of vendored packages, if there is one.
	Vendor string `json:"vendor,omitempty"`
}

func main() {
	var request Request
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	checker := newChecker(request)
	answers := make([]Answer, len(request.Functions))
	for index, function := range request.Functions {
		program, problems := checker.check(function)
		answers[index] = Answer{problems, program}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		os.Exit(1)
	}
}
