package main

import (
	"fmt"
	"go/ast"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

const (
	handlerForm = "func %s(w http.ResponseWriter, r *http.Request)"
	ginForm     = "func %s(c *gin.Context)"
	eventForm   = "func %s(ctx context.Context, event faas.DocumentEvent) error"
	cloudForm   = "func %s(ctx context.Context, event faas.CloudEvent) error"
	initForm    = "func %s()"
	ginPath     = "github.com/gin-gonic/gin"
)

type Checker struct{ request Request }

func newChecker(request Request) *Checker { return &Checker{request} }

func (c *Checker) check(function Function) (*Program, []*Problem) {
	if info, err := os.Stat(function.FilePath); err != nil || !info.Mode().IsRegular() {
		return nil, []*Problem{problemIn(function.FilePath, "missing-file", function.FilePath+" does not exist", "")}
	}
	module, problem := findModule(function, c.request.Runtime)
	if problem != nil {
		return nil, []*Problem{problem}
	}
	dir := filepath.Dir(function.FilePath)
	importPath := module.path
	if below, err := filepath.Rel(module.dir, dir); err == nil && below != "." {
		importPath += "/" + filepath.ToSlash(below)
	}
	loader := newLoader(c.request, module)
	if err := loader.prepare(importPath, dir); err != nil {
		return nil, []*Problem{problemIn(filepath.Join(module.dir, "go.mod"), "invalid-module", err.Error(), "")}
	}
	found := loader.load(importPath, dir)
	judge := &judge{function: function, loader: loader, loaded: found}
	if found == nil || !judge.hasFile() {
		loader.add(problemIn(function.FilePath, "not-built",
			"the file is not part of its package: it is a test, or its build constraints exclude it", ""))
	}
	if len(loader.problems) > 0 {
		return nil, loader.problems
	}
	form, problem := judge.judge()
	if problem != nil {
		return nil, []*Problem{problem}
	}
	program := &Program{Form: form.name, Module: module.dir, Overlay: module.overlay, Vendor: module.vendor}
	judge.write(program, form, importPath)
	for file := range loader.files {
		program.Files = append(program.Files, file)
	}
	sort.Strings(program.Files)
	return program, nil
}

// A judge looks at the handler that deploy.json names.
type judge struct {
	function Function
	loader   *Loader
	loaded   *loaded
}

type form struct {
	name string
	// run is the call of the generated main; %q is the deployment's name, %s the handler.
	run     string
	imports []string
}

func (j *judge) hasFile() bool {
	for _, file := range j.loaded.files {
		if j.loader.set.Position(file.Package).Filename == j.function.FilePath {
			return true
		}
	}
	return false
}

// wanted is the name of the handler in the code.
func (j *judge) wanted() string {
	if j.function.Export != "" {
		return j.function.Export
	}
	if j.function.Kind == "service" {
		return "Init"
	}
	return j.function.Name
}

func (j *judge) judge() (form, *Problem) {
	name := j.wanted()
	object := j.loaded.types.Scope().Lookup(name)
	if object == nil {
		return form{}, j.missing(name)
	}
	place := j.loader.set.Position(object.Pos())
	if !object.Exported() {
		return form{}, j.loader.at(place, "not-exported", fmt.Sprintf("%q is declared here but not exported", name),
			fmt.Sprintf("Begin its name with a capital letter: %q", strings.ToUpper(name[:1])+name[1:]))
	}
	if place.Filename != j.function.FilePath {
		return form{}, j.loader.at(place, "wrong-file", fmt.Sprintf("%q is not in %s, but here", name, filepath.Base(j.function.FilePath)),
			fmt.Sprintf(`Name this file as "filePath" in deploy.json: %s`, filepath.Base(place.Filename)))
	}
	switch object.(type) {
	case *types.Func, *types.Var:
	default:
		return form{}, j.loader.at(place, "not-a-function", fmt.Sprintf("%q is not a function", name), "Declare it as "+fmt.Sprintf(j.legal(), name))
	}
	if signature, ok := object.Type().(*types.Signature); ok && signature.TypeParams().Len() > 0 {
		return form{}, j.loader.at(place, "is-generic", fmt.Sprintf("%q has type parameters", name), "Declare it as "+fmt.Sprintf(j.legal(), name))
	}
	if found, ok := j.formOf(object.Type()); ok {
		return found, nil
	}
	return form{}, j.loader.at(place, "wrong-parameters", fmt.Sprintf("%q is %s", name, j.describe(object.Type())),
		"Declare it as "+fmt.Sprintf(j.legal(), name))
}

func (j *judge) missing(name string) *Problem {
	scope := j.loaded.types.Scope()
	var exported []string
	for _, other := range scope.Names() {
		object := scope.Lookup(other)
		place := j.loader.set.Position(object.Pos())
		if strings.EqualFold(other, name) {
			if !object.Exported() {
				return j.loader.at(place, "not-exported", fmt.Sprintf("%q is declared here but not exported", other),
					fmt.Sprintf("Rename it to %q", name))
			}
			return j.loader.at(place, "wrong-case", fmt.Sprintf("deploy.json says %q, but the function is %q", name, other),
				fmt.Sprintf(`Write %q in deploy.json, or rename the function`, other))
		}
		if _, isFunction := object.(*types.Func); isFunction && object.Exported() && place.Filename == j.function.FilePath {
			exported = append(exported, fmt.Sprintf("%q", other))
		}
	}
	hint := "Declare it as " + fmt.Sprintf(j.legal(), name)
	if len(exported) > 0 {
		hint = "It exports " + strings.Join(exported, ", ")
	}
	return problemIn(j.function.FilePath, "no-such-export", fmt.Sprintf("The file has no function %q", name), hint)
}

// legal is the nearest form that is accepted.
func (j *judge) legal() string {
	switch j.function.Kind {
	case "service":
		return initForm
	case "trigger":
		if j.isForEvents() {
			return cloudForm
		}
		return eventForm
	}
	for _, file := range j.loaded.files {
		for _, spec := range file.Imports {
			if spec.Path.Value == `"`+ginPath+`"` {
				return ginForm
			}
		}
	}
	return handlerForm
}

func (j *judge) describe(found types.Type) string {
	return types.TypeString(found, func(other *types.Package) string {
		if other == j.loaded.types {
			return ""
		}
		return other.Name()
	})
}

func (j *judge) formOf(found types.Type) (form, bool) {
	switch j.function.Kind {
	case "service":
		signature, ok := found.Underlying().(*types.Signature)
		return form{name: "combination", run: "faas.HandleAll(%q, %s)"}, ok && signature.Params().Len() == 0 && signature.Results().Len() == 0
	case "trigger":
		if !j.isForEvents() && j.takesAs(found, "EventFunction", "DocumentFunction") {
			return form{name: "trigger", run: "faas.HandleEvents(%q, %s)"}, true
		}
		return form{name: "trigger", run: "faas.HandleCloudEvents(%q, %s)"}, j.takesAs(found, "CloudEventFunction", "RequestFunction")
	}
	if wanted := j.typeOf("net/http", "HandlerFunc"); types.AssignableTo(found, wanted) {
		return form{name: "net/http handler", run: "faas.Handle(%q, %s)"}, true
	}
	if wanted := j.typeOf("net/http", "Handler"); types.AssignableTo(found, wanted) {
		return form{name: "http.Handler", run: "faas.Handle(%q, %s.ServeHTTP)"}, true
	}
	if wanted := j.typeOf(ginPath, "HandlerFunc"); wanted != nil && types.AssignableTo(found, wanted) {
		return form{name: "Gin handler", run: "faas.Handle(%q, throughGin(%s))", imports: []string{ginPath, "net/http"}}, true
	}
	return form{}, false
}

// isForEvents says whether events start it that are not of documents.
func (j *judge) isForEvents() bool { return slices.Contains(j.function.On, "event") }

// takesAs says whether a value can be passed as one of these types of the runtime.
func (j *judge) takesAs(found types.Type, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		wanted := j.typeOf(runtimePath, name)
		return wanted != nil && types.AssignableTo(found, wanted.Underlying())
	})
}

// typeOf returns nil if the package is not there.
func (j *judge) typeOf(importPath, name string) types.Type {
	if _, found := j.loader.exports[importPath]; !found {
		return nil
	}
	imported, err := j.loader.Import(importPath)
	if err != nil {
		return nil
	}
	object := imported.Scope().Lookup(name)
	if object == nil {
		return nil
	}
	return object.Type()
}

const throughGin = `
func throughGin(handle gin.HandlerFunc) http.HandlerFunc {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.NoRoute(func(c *gin.Context) {
		c.Status(http.StatusOK)
		handle(c)
	})
	return engine.ServeHTTP
}
`

// write adds the generated entry: a package of its own next to the user's, or a file of it if that is a main package.
func (j *judge) write(program *Program, form form, importPath string) {
	name, isMain := j.wanted(), j.loaded.types.Name() == "main"
	entry := "exported_" + strings.ToLower(j.function.Name)
	imports := []string{"faas " + fmt.Sprintf("%q", runtimePath)}
	for _, path := range form.imports {
		imports = append(imports, fmt.Sprintf("%q", path))
	}
	handler := name
	if !isMain {
		imports = append(imports, fmt.Sprintf("function %q", importPath))
		handler = "function." + name
	}
	program.Main = "// Generated by ryo-faas: the program around " + name + ".\npackage main\n\nimport (\n\t" + strings.Join(imports, "\n\t") +
		"\n)\n\nfunc main() { " + fmt.Sprintf(form.run, j.function.Name, handler) + " }\n"
	if len(form.imports) > 0 {
		program.Main += throughGin
	}
	dir := filepath.Dir(j.function.FilePath)
	if !isMain {
		program.Package = "./" + entry
		program.Overlay[filepath.Join(program.Module, entry, "main.go")] = program.Main
		return
	}
	program.Package = "."
	if below, err := filepath.Rel(program.Module, dir); err == nil {
		program.Package = "./" + filepath.ToSlash(below)
	}
	program.Overlay[filepath.Join(dir, entry+".go")] = program.Main
	for _, file := range j.loaded.files {
		j.withoutMain(program, file)
	}
}

// withoutMain turns a main of the user's, which serves the function elsewhere, into a function that nobody calls.
func (j *judge) withoutMain(program *Program, file *ast.File) {
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Recv != nil || function.Name.Name != "main" {
			continue
		}
		place := j.loader.set.Position(function.Name.Pos())
		content, err := os.ReadFile(place.Filename)
		if err == nil {
			program.Overlay[place.Filename] = string(content[:place.Offset]) + "_" + string(content[place.Offset+len("main"):])
		}
	}
}
