package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

const runtimePath = "github.com/ryo-faas/ryo-faas/runtime/go"

// A Module is the user's, as we build it: with the runtime, and without a change in its folder. Vendored modules are
// replaced by their folders, because `go` takes nothing that vendor/modules.txt does not list.
type Module struct {
	dir, path string
	// Files that take the place of those in the folder, by absolute path.
	overlay map[string]string
	// Absolute; empty without one.
	vendor string
	// Modules that are folders next to it; their packages are read from source, like its own.
	replaced []root
	// What other packages it can import depends on.
	inputs []string
}

type root struct{ path, dir string }

var (
	moduleLine  = regexp.MustCompile(`(?m)^\s*module\s+"?([^\s"]+)"?`)
	replacement = regexp.MustCompile(`(?m)^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+"?(\.{0,2}/[^\s"]*)`)
)

// findModule looks for go.mod from the function's folder up to that of deploy.json; without one the package is a module.
func findModule(function Function, runtime string) (*Module, *Problem) {
	module := &Module{dir: function.PackageDir, path: "function", overlay: map[string]string{}}
	text := "module function\n\ngo 1.22\n"
	for dir := filepath.Dir(function.FilePath); ; dir = filepath.Dir(dir) {
		file := filepath.Join(dir, "go.mod")
		if content, err := os.ReadFile(file); err == nil {
			module.dir, text = dir, string(content)
			found := moduleLine.FindStringSubmatch(text)
			if found == nil {
				return nil, problemIn(file, "invalid-module", "go.mod does not name its module", "Begin it with: module example.com/name")
			}
			module.path = found[1]
			break
		}
		if dir == function.RootDir || dir == filepath.Dir(dir) {
			break
		}
	}
	for _, found := range replacement.FindAllStringSubmatch(text, -1) {
		if found[1] == runtimePath {
			continue
		}
		target := found[2]
		if !filepath.IsAbs(target) {
			target = filepath.Join(module.dir, target)
		}
		if !isInside(function.RootDir, target) {
			return nil, problemIn(filepath.Join(module.dir, "go.mod"), "outside-module",
				"the replacement "+found[2]+" is outside the folder of deploy.json", "Move it there, or vendor it with: go mod vendor")
		}
		module.replaced = append(module.replaced, root{found[1], target})
	}
	goMod := withoutRuntime(text) + "\nrequire " + runtimePath + " v0.0.0\nreplace " + runtimePath + " => " + runtime + "\n"
	module.inputs = append(module.inputs, goMod)
	listed, err := os.ReadFile(filepath.Join(module.dir, "vendor", "modules.txt"))
	if err == nil {
		module.vendor = filepath.Join(module.dir, "vendor")
		module.replaced = nil
		module.inputs = append(module.inputs, string(listed))
		goMod += module.vendored(string(listed))
	}
	module.overlay[filepath.Join(module.dir, "go.mod")] = goMod
	return module, nil
}

// vendored returns lines of go.mod that find each vendored module in its folder, which gets a go.mod of its own.
func (m *Module) vendored(listed string) string {
	var lines strings.Builder
	var name string
	for _, line := range strings.Split(listed, "\n") {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 3 && fields[0] == "#" && strings.HasPrefix(fields[2], "v"):
			name = fields[1]
			if name == runtimePath {
				continue
			}
			lines.WriteString("require " + name + " " + fields[2] + "\n")
			lines.WriteString("replace " + name + " " + fields[2] + " => ./" + path.Join("vendor", name) + "\n")
			m.overlay[filepath.Join(m.vendor, name, "go.mod")] = "module " + name + "\n"
		case len(fields) > 1 && fields[0] == "##" && name != "" && name != runtimePath:
			if _, version, found := strings.Cut(line, "go "); found {
				m.overlay[filepath.Join(m.vendor, name, "go.mod")] = "module " + name + "\n\ngo " + strings.TrimSpace(version) + "\n"
			}
		}
	}
	return lines.String()
}

// withoutRuntime leaves out what the user's go.mod says about the runtime: it is always ours.
func withoutRuntime(goMod string) string {
	lines := strings.Split(goMod, "\n")
	kept := lines[:0]
	for _, line := range lines {
		if !strings.Contains(line, runtimePath) || strings.HasPrefix(strings.TrimSpace(line), "module ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// contains reports whether an import path is a package of the module or of one next to it, and where.
func (m *Module) contains(importPath string) (string, bool) {
	if importPath == runtimePath {
		return "", false
	}
	for _, root := range append([]root{{m.path, m.dir}}, m.replaced...) {
		rest, found := strings.CutPrefix(importPath+"/", root.path+"/")
		dir := filepath.Join(root.dir, filepath.FromSlash(rest))
		if info, err := os.Stat(dir); found && err == nil && info.IsDir() {
			return dir, true
		}
	}
	return "", false
}

func isInside(folder, file string) bool {
	relative, err := filepath.Rel(folder, file)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, ".."+string(filepath.Separator))
}

func problemIn(file, code, message, hint string) *Problem {
	return &Problem{Code: code, Message: message, File: file, Line: 1, Column: 1, Hint: hint}
}
