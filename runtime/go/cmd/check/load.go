package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"unicode/utf16"
)

// A Loader type-checks the packages of one module from source; all others from what the compiler exported.
type Loader struct {
	request  Request
	module   *Module
	set      *token.FileSet
	packages map[string]*loaded
	external types.Importer
	exports  map[string]string
	problems []*Problem
	files    map[string]bool
}

type loaded struct {
	types *types.Package
	files []*ast.File
}

var errHere = errors.New("it has problems of its own")

func newLoader(request Request, module *Module) *Loader {
	l := &Loader{
		request: request, module: module, set: token.NewFileSet(),
		packages: map[string]*loaded{}, files: map[string]bool{},
	}
	l.external = importer.ForCompiler(l.set, "gc", l.open)
	return l
}

// load parses and checks the package in dir, after those of the same module that it imports.
func (l *Loader) load(importPath, dir string) *loaded {
	if known, found := l.packages[importPath]; found {
		return known
	}
	l.packages[importPath] = nil // While it is being loaded: an import cycle ends here.
	found, err := l.buildContext().ImportDir(dir, build.ImportComment)
	if err != nil && found == nil {
		l.add(problemIn(dir, "missing-file", err.Error(), ""))
		return nil
	}
	result := &loaded{}
	for _, name := range found.GoFiles {
		file, err := parser.ParseFile(l.set, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		l.syntax(err)
		if file != nil {
			result.files = append(result.files, file)
		}
		l.files[filepath.Join(dir, name)] = true
	}
	for _, name := range embedded(dir, found.EmbedPatterns) {
		l.files[name] = true
	}
	config := types.Config{
		Importer: l,
		Error:    l.typeError,
		Sizes:    types.SizesFor("gc", build.Default.GOARCH),
	}
	result.types, _ = config.Check(importPath, l.set, result.files, nil)
	l.packages[importPath] = result
	return result
}

func (l *Loader) buildContext() *build.Context {
	context := build.Default
	context.CgoEnabled = false
	return &context
}

// Import is how the type checker asks for a package.
func (l *Loader) Import(importPath string) (*types.Package, error) {
	if importPath == "unsafe" {
		return types.Unsafe, nil
	}
	if dir, found := l.module.contains(importPath); found {
		if known := l.load(importPath, dir); known != nil {
			return known.types, nil
		}
		return nil, errHere
	}
	return l.external.Import(importPath)
}

func (l *Loader) open(importPath string) (io.ReadCloser, error) {
	file := l.exports[importPath]
	if file == "" {
		return nil, errors.New("it is neither in vendor nor in the module cache")
	}
	return os.Open(file)
}

type listed struct{ ImportPath, Export string }

// prepare finds the compiled form of every package that the module's packages import from elsewhere.
func (l *Loader) prepare(importPath, dir string) error {
	wanted := map[string]bool{"net/http": true, runtimePath: true}
	l.imports(importPath, dir, map[string]bool{}, wanted)
	names := make([]string, 0, len(wanted))
	for name := range wanted {
		names = append(names, name)
	}
	sort.Strings(names)
	key := sha256.New()
	for _, text := range append([]string{l.module.dir, build.Default.GOARCH, build.Default.GOOS}, append(l.module.inputs, names...)...) {
		fmt.Fprintf(key, "%s\x00", text)
	}
	kept := filepath.Join(l.request.Cache, fmt.Sprintf("exports-%x.json", key.Sum(nil)[:8]))
	if content, err := os.ReadFile(kept); err == nil && json.Unmarshal(content, &l.exports) == nil && l.allExist() {
		return nil
	}
	if err := l.list(names); err != nil {
		return err
	}
	content, _ := json.Marshal(l.exports)
	temporary := fmt.Sprintf("%s.%d", kept, os.Getpid())
	if os.WriteFile(temporary, content, 0o600) == nil {
		_ = os.Rename(temporary, kept)
	}
	return nil
}

func (l *Loader) allExist() bool {
	for _, file := range l.exports {
		if _, err := os.Stat(file); err != nil {
			return false
		}
	}
	return l.exports["net/http"] != ""
}

// imports collects what a package imports, by way of packages of its module.
func (l *Loader) imports(importPath, dir string, seen, wanted map[string]bool) {
	if seen[importPath] {
		return
	}
	seen[importPath] = true
	found, _ := l.buildContext().ImportDir(dir, 0)
	if found == nil {
		return
	}
	for _, name := range found.Imports {
		if within, isOwn := l.module.contains(name); isOwn {
			l.imports(name, within, seen, wanted)
		} else if name != "C" && name != "unsafe" {
			wanted[name] = true
		}
	}
}

// list lets `go` compile them; it is what the build would do, and is done once.
func (l *Loader) list(names []string) error {
	folder, err := os.MkdirTemp("", "rfa-go-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	overlay, err := writeOverlay(folder, l.module.overlay)
	if err != nil {
		return err
	}
	arguments := []string{"list", "-e", "-trimpath", "-mod=mod", "-overlay", overlay, "-export", "-deps", "-json=ImportPath,Export"}
	command := exec.Command(l.request.Go, append(append(arguments, "--"), names...)...)
	command.Dir = l.module.dir
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("%s", strings.TrimSpace(or(stderr.String(), err.Error())))
	}
	l.exports = map[string]string{}
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for {
		var found listed
		if err := decoder.Decode(&found); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if found.Export != "" {
			l.exports[found.ImportPath] = found.Export
		}
	}
}

// writeOverlay writes what `go -overlay` reads.
func writeOverlay(folder string, overlay map[string]string) (string, error) {
	replace := map[string]string{}
	for file, content := range overlay {
		replace[file] = filepath.Join(folder, fmt.Sprintf("%d", len(replace)))
		if err := os.WriteFile(replace[file], []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, "overlay.json")
	return file, os.WriteFile(file, content, 0o600)
}

// embedded returns the files that `//go:embed` takes.
func embedded(dir string, patterns []string) []string {
	var files []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(filepath.Join(dir, strings.TrimPrefix(pattern, "all:")))
		for _, root := range found {
			_ = filepath.WalkDir(root, func(file string, entry os.DirEntry, err error) error {
				if err == nil && entry.Type().IsRegular() {
					files = append(files, file)
				}
				return nil
			})
		}
	}
	return files
}

func (l *Loader) syntax(err error) {
	var list scanner.ErrorList
	if errors.As(err, &list) {
		for _, found := range list {
			l.add(l.at(found.Pos, "syntax-error", found.Msg, ""))
		}
	}
}

func (l *Loader) typeError(err error) {
	var found types.Error
	if !errors.As(err, &found) || strings.HasSuffix(found.Msg, errHere.Error()+")") {
		return
	}
	code, hint := "type-error", ""
	if strings.HasPrefix(found.Msg, "could not import ") {
		code = "missing-module"
		hint = "Run in " + l.module.dir + ": go mod vendor (or go mod download, which fills the module cache)"
	}
	l.add(l.at(l.set.Position(found.Pos), code, found.Msg, hint))
}

const maxProblems = 50

func (l *Loader) add(problem *Problem) {
	if len(l.problems) < maxProblems {
		l.problems = append(l.problems, problem)
	}
}

// at makes a problem of a place, whose columns Go counts in bytes.
func (l *Loader) at(place token.Position, code, message, hint string) *Problem {
	problem := &Problem{Code: code, Message: message, File: place.Filename, Line: max(1, place.Line), Column: max(1, place.Column), Hint: hint}
	content, err := os.ReadFile(place.Filename)
	if err != nil {
		return problem
	}
	lines := strings.Split(string(content), "\n")
	if place.Line >= 1 && place.Line <= len(lines) {
		before := lines[place.Line-1]
		before = before[:min(max(0, place.Column-1), len(before))]
		problem.Column = len(utf16.Encode([]rune(before))) + 1
	}
	return problem
}

func or(text, fallback string) string {
	if text != "" {
		return text
	}
	return fallback
}
