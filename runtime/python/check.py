"""
Checks functions in Python by their syntax tree: nothing of them runs. Reads JSON {"functions": [{name, kind, export,
packageDir, filePath}]}, writes a list of {"problems": […]} or {"form", "module", "attribute", "notes", "imports"}, where
imports are the names that modules of the package import and that are neither its own nor of the standard library.
"""
import ast
import json
import os
import sys

MAX_FILES = 2_000
MAX_HOPS = 8
# What other platforms and servers look for.
USUAL = ('app', 'application', 'handler', 'api')
FORMS = {
    'flask.Flask': 'Flask app', 'quart.Quart': 'Quart app', 'fastapi.FastAPI': 'FastAPI app',
    'starlette.applications.Starlette': 'Starlette app', 'litestar.Litestar': 'Litestar app', 'sanic.Sanic': 'Sanic app',
    'falcon.App': 'Falcon app', 'falcon.asgi.App': 'Falcon app', 'bottle.Bottle': 'Bottle app',
    'django.core.wsgi.get_wsgi_application': 'Django app', 'django.core.asgi.get_asgi_application': 'Django app',
}
HINTS = {
    'http': 'Declare it as def {name}(request), async def {name}(scope, receive, send), or assign an application to it',
    'trigger': 'Declare it as def {name}(event), or def {name}(event, context)',
    'service': 'Declare it as def {name}(service)',
}


class Problem(Exception):
    def __init__(self, code, message, node=None, hint=None, file=None):
        super().__init__(message)
        self.code, self.message, self.node, self.hint, self.file = code, message, node, hint, file


class Module:
    """One file, parsed. Its names are those of its top level, also within `if` and `try`."""

    def __init__(self, path):
        self.path = path
        with open(path, 'rb') as file:
            source = file.read()
        self.lines = source.decode('utf-8', 'replace').splitlines()
        try:
            self.tree = ast.parse(source, path)
        except SyntaxError as error:
            raise SyntaxProblem(path, error) from None
        except ValueError as error:  # Null bytes.
            raise Problem('syntax-error', str(error), file=path) from None
        self.names = {}
        self._gather(self.tree.body)

    def _gather(self, body):
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.names[node.name] = node
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Name) and node.value is not None:
                        self.names[target.id] = node
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    self.names[alias.asname or alias.name.split('.')[0]] = node
            for field in ('body', 'orelse', 'finalbody'):
                if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    inner = getattr(node, field, None)
                    if isinstance(inner, list):
                        self._gather(inner)
            for handler in getattr(node, 'handlers', []):
                self._gather(handler.body)


class SyntaxProblem(Problem):
    def __init__(self, path, error):
        super().__init__('syntax-error', error.msg, file=path)
        self.line, self.column = error.lineno or 1, max(1, error.offset or 1)


class Package:
    def __init__(self, folder, entry):
        self.folder = folder
        # As `python app.py` does: what is next to the file comes first.
        self.roots = list(dict.fromkeys([os.path.dirname(entry), folder]))
        self._parsed = {}

    def module(self, path):
        if path not in self._parsed:
            self._parsed[path] = Module(path)
        return self._parsed[path]

    def find(self, dotted, level=0, near=None):
        """The file of a module of this package; a folder for one without code; None if it is not here."""
        parts = dotted.split('.') if dotted else []
        roots = self.roots
        if level:
            base = os.path.dirname(near)
            for _ in range(level - 1):
                base = os.path.dirname(base)
            roots = [base]
        for root in roots:
            at = os.path.join(root, *parts)
            for path in (at + '.py', os.path.join(at, '__init__.py')):
                if os.path.isfile(path):
                    return path
            if parts and os.path.isdir(at) and holds_code(at):
                return at
        return None


def holds_code(folder):
    try:
        return any(name.endswith('.py') or os.path.isdir(os.path.join(folder, name)) for name in os.listdir(folder))
    except OSError:
        return False


def check(function):
    package = Package(function['packageDir'], function['filePath'])
    path, kind, given = function['filePath'], function['kind'], function.get('export')
    if not os.path.isfile(path):
        raise Problem('missing-file', f'{path} does not exist', file=path)
    module = package.module(path)
    shape = {'async': 'http'}.get(kind, kind)
    name = given or ('main' if kind == 'service' else function['name'])
    notes = []
    if name.split('.')[0] not in module.names:
        usual = [each for each in USUAL if each in module.names] if given is None and shape == 'http' else []
        if not usual:
            raise missing(module, name, shape)
        notes.append(f'the handler is "{usual[0]}": there is no "{name}"')
        name = usual[0]
    form = form_of(package, module, name.split('.')[0], shape, 0) if '.' not in name else 'object'
    imports = imports_of(package, path)
    relative = os.path.relpath(path, package.roots[0])
    return {'form': form, 'module': os.path.splitext(relative)[0], 'attribute': name, 'notes': notes, 'imports': imports,
            'source': os.path.relpath(package.roots[0], package.folder)}


def missing(module, name, shape):
    there = [each for each, node in module.names.items() if not isinstance(node, (ast.Import, ast.ImportFrom))]
    same = [each for each in there if each.lower() == name.lower()]
    hint = HINTS[shape].format(name=name)
    if same:
        return Problem('wrong-case', f'"{name}" is written "{same[0]}" here', module.names[same[0]], f'Rename one of them, or set "export": "{same[0]}"', module.path)
    if there:
        hint = f'It has {", ".join(there[:8])}; name one with "export", or: {hint}'
    return Problem('no-such-export', f'the file has no "{name}"', None, hint, module.path)


def form_of(package, module, name, shape, hops):
    """What a name stands for. Raises Problem if it cannot be a handler."""
    node = module.names.get(name)
    if isinstance(node, ast.ImportFrom) and hops < MAX_HOPS:
        alias = next(each for each in node.names if (each.asname or each.name) == name)
        found = package.find(node.module or '', node.level, module.path)
        if found and os.path.isfile(found):
            target = package.module(found)
            if alias.name in target.names:
                return form_of(package, target, alias.name, shape, hops + 1)
        return 'object'
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return function_form(module, node, shape)
    if isinstance(node, ast.ClassDef):
        raise Problem('is-class', f'"{name}" is a class', node, HINTS[shape].format(name=name), module.path)
    if isinstance(node, ast.Import):
        raise Problem('not-a-function', f'"{name}" is a module', node, HINTS[shape].format(name=name), module.path)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        value = node.value
        if isinstance(value, ast.Lambda):
            return arguments_form(module, name, value, shape, False)
        if isinstance(value, (ast.Constant, ast.List, ast.Dict, ast.Tuple, ast.Set, ast.JoinedStr, ast.BinOp)):
            raise Problem('not-a-function', f'"{name}" is not a function', node, HINTS[shape].format(name=name), module.path)
        if isinstance(value, ast.Name) and value.id in module.names and value.id != name and hops < MAX_HOPS:
            return form_of(package, module, value.id, shape, hops + 1)
        if isinstance(value, ast.Call):
            return FORMS.get(dotted_name(module, value.func), 'application') if shape == 'http' else 'object'
        return 'object'
    return 'object'


def dotted_name(module, node):
    """`Flask` after `from flask import Flask`, `fastapi.FastAPI` after `import fastapi`: its whole name."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ''
    origin = module.names.get(node.id)
    first = node.id
    if isinstance(origin, ast.ImportFrom) and not origin.level:
        alias = next(each for each in origin.names if (each.asname or each.name) == node.id)
        first = f'{origin.module}.{alias.name}'
    elif isinstance(origin, ast.Import):
        alias = next((each for each in origin.names if (each.asname or each.name.split('.')[0]) == node.id), None)
        if alias is not None and alias.asname:
            first = alias.name
    return '.'.join([first, *reversed(parts)])


def function_form(module, node, shape):
    is_async = isinstance(node, ast.AsyncFunctionDef)
    if node.decorator_list:
        return 'object'  # It may be anything after that.
    return arguments_form(module, node.name, node, shape, is_async)


def arguments_form(module, name, node, shape, is_async):
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    least, most = len(positional) - len(arguments.defaults), len(positional)
    if arguments.vararg:
        most = 99
    needed = [each.arg for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults) if default is None]

    def takes(count):
        return least <= count <= most and not needed

    declared = HINTS[shape].format(name=name)
    if shape == 'http':
        if is_async and takes(3) and not takes(1):
            return 'ASGI application'
        if not is_async and takes(2) and not takes(1):
            return 'WSGI application'
        if takes(1):
            return 'async handler' if is_async else 'handler'
        if is_async and takes(3):
            return 'ASGI application'
    elif takes(1) or (shape == 'trigger' and takes(2)):
        return 'event handler' if shape == 'trigger' else 'service'
    listed = ', '.join(each.arg for each in positional)
    raise Problem('wrong-parameters', f'"{name}" takes ({listed}), which is no form of a handler', node, declared, module.path)


def imports_of(package, entry):
    """Of all modules of the package that the entry reaches. Optional ones are those that code can do without."""
    found, seen, waiting = {}, {entry}, [entry]
    while waiting and len(seen) < MAX_FILES:
        path = waiting.pop()
        try:
            module = package.module(path)
        except Problem:
            if path == entry:
                raise
            raise
        for node, is_optional in imported(module.tree, False):
            for dotted, level in modules_in(node):
                inner = package.find(dotted, level, path)
                for at in reached(package, dotted, level, path):
                    if at not in seen:
                        seen.add(at)
                        waiting.append(at)
                top = dotted.split('.')[0]
                if level or not top or inner or top in sys.stdlib_module_names or top == 'ryo_faas' or package.find(top):
                    continue
                known = found.get(top)
                if known is None or (known['optional'] and not is_optional):
                    place = place_of(module, node)
                    found[top] = {'name': top, 'optional': is_optional, 'file': path, **place}
    return list(found.values())


def reached(package, dotted, level, near):
    """The files that an import runs: of the module, and of the packages that it is in."""
    parts = dotted.split('.') if dotted else []
    for count in range(len(parts) if level == 0 else 0, len(parts) + 1) if level else range(1, len(parts) + 1):
        found = package.find('.'.join(parts[:count]), level, near)
        if found and os.path.isfile(found):
            yield found


def modules_in(node):
    """What a node imports, as (dotted name, level); `from a import b` may be a module of a."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, 0
    else:
        yield node.module or '', node.level
        for alias in node.names:
            if alias.name != '*':
                yield '.'.join(filter(None, [node.module, alias.name])), node.level


def imported(node, is_optional):
    """Import nodes below a node; those in functions and in `try` may never run, and types are for checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, is_optional
        elif isinstance(child, ast.If) and 'TYPE_CHECKING' in ast.dump(child.test):
            for each in child.orelse:
                yield from imported(each, is_optional)
        elif isinstance(child, ast.Try):
            yield from imported(child, True)
        elif isinstance(child, (ast.stmt, ast.excepthandler)):
            inner = is_optional or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.If))
            yield from imported(child, inner)


def place_of(module, node):
    """Lines and columns as editors count them: from 1, in UTF-16 units."""
    line, column = getattr(node, 'lineno', 1), getattr(node, 'col_offset', 0)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and line <= len(module.lines):
        text = module.lines[line - 1]
        column = max(len(text[:text.find(node.name, column)].encode()), 0)
    text = module.lines[line - 1] if line <= len(module.lines) else ''
    before = text.encode()[:column].decode('utf-8', 'replace')
    return {'line': line, 'column': len(before.encode('utf-16-le')) // 2 + 1}


def as_problem(function, problem):
    path = problem.file or function['filePath']
    place = {'line': 1, 'column': 1}
    if isinstance(problem, SyntaxProblem):
        place = {'line': problem.line, 'column': problem.column}
    elif problem.node is not None:
        place = place_of(Module(path), problem.node)
    hint = {} if problem.hint is None else {'hint': problem.hint}
    return {'code': problem.code, 'message': problem.message, 'file': path, **place, **hint}


def main():
    if not hasattr(sys, 'stdlib_module_names'):  # Before 3.10.
        sys.stdlib_module_names = frozenset([*sys.builtin_module_names, *stdlib_names()])
    answers = []
    for function in json.load(sys.stdin)['functions']:
        try:
            answers.append(check(function))
        except Problem as problem:
            answers.append({'problems': [as_problem(function, problem)]})
        except RecursionError:
            answers.append({'problems': [{'code': 'syntax-error', 'message': 'it is nested too deeply', 'file': function['filePath'], 'line': 1, 'column': 1}]})
    json.dump(answers, sys.stdout)


def stdlib_names():
    folder = os.path.dirname(os.__file__)
    for name in [*os.listdir(folder), *os.listdir(os.path.join(folder, 'lib-dynload'))]:
        yield name.split('.')[0]


main()
