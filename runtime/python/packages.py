"""
Brings the packages of functions into one folder: with pip what a requirements file names (wheels only, so that nothing of
them runs), and what is imported beyond that from those that are installed on this machine. Reads JSON {"target",
"requirements", "names", "sites"}; writes {"kind": "done", "packages": [{name, version, origin}], "modules": […],
"missing": […]} or {"kind": "failed", "output"}. The folder appears as a whole or not at all, with compiled modules.
"""
import ast
import compileall
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
from importlib import metadata

NOT_TAKEN = ('pip', 'setuptools', 'pkg_resources', '_distutils_hack', 'wheel', 'pytest', '_pytest')
ENDINGS = ('.py', '.so', '.pyd')


def main():
    asked = json.load(sys.stdin)
    sys.path += asked['sites']  # For the package that compares versions.
    target, sites, requirements = asked['target'], asked['sites'], asked['requirements']
    unfinished = f'{target}.{os.getpid()}'
    shutil.rmtree(unfinished, ignore_errors=True)
    os.makedirs(unfinished)
    try:
        outcome = fill(unfinished, requirements, asked['names'], sites)
        if outcome['kind'] == 'done':
            # By hash and unchecked: times are lost on the way into an image.
            compileall.compile_dir(unfinished, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
            readable(unfinished)
            shutil.rmtree(target, ignore_errors=True)
            os.rename(unfinished, target)
        json.dump(outcome, sys.stdout)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def fill(folder, requirements, names, sites):
    packages, said = [], None
    host = Host(sites)
    if requirements:
        said = install(folder, requirements)
        if said is None:
            for each in metadata.distributions(path=[folder]):
                size = sum(file.size or 0 for file in each.files or [])
                packages.append({'name': each.metadata['Name'], 'version': each.version, 'origin': 'pip', 'bytes': size})
        else:
            wanted, unmet = host.named(requirements)
            if unmet:
                return {'kind': 'failed', 'output': said, 'unmet': unmet}
            names = [*names, *wanted]
    left = [name for name in names if not module_in(folder, name)]
    taken, missing = host.closure(left)
    for name, path in taken.items():
        if module_in(folder, name):
            continue
        copy(path, folder)
        package = host.distribution_of(name)
        about = None if package is None else str(package._path)
        if about is not None and os.path.isdir(about):
            shutil.copytree(about, os.path.join(folder, os.path.basename(about)), dirs_exist_ok=True)
        version = None if package is None else package.version
        known = name if package is None else package.metadata['Name']
        size = size_of(os.path.join(folder, os.path.basename(path)))
        packages.append({'name': known, 'version': version, 'origin': 'machine', 'bytes': size})
    unique = {(each['name'], each['version']): each for each in packages}
    return {'kind': 'done', 'packages': sorted(unique.values(), key=lambda each: each['name'].lower()), 'missing': missing,
            'offline': said is not None, **({} if said is None else {'why': said})}


def install(folder, requirements):
    """None, or what pip said."""
    path = folder + '.txt'
    with open(path, 'w', encoding='utf-8') as file:
        file.write(requirements)
    command = [sys.executable, '-m', 'pip', 'install', '--target', folder, '--only-binary', ':all:', '--no-input',
               '--disable-pip-version-check', '--no-compile', '--no-warn-script-location', '--quiet', '-r', path]
    environment = {**os.environ, 'PIP_RETRIES': os.environ.get('PIP_RETRIES', '1')}
    try:
        ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd='/')
    finally:
        os.remove(path)
    if ran.returncode == 0:
        return None
    for name in os.listdir(folder):
        at = os.path.join(folder, name)
        shutil.rmtree(at) if os.path.isdir(at) else os.remove(at)
    return (ran.stderr or ran.stdout).strip().replace(path, 'the requirements')


class Host:
    """What is installed on this machine."""

    def __init__(self, sites):
        self.sites = sites
        self._distributions = None

    def find(self, name):
        """Where a module of that name is: a folder or a file."""
        for site in self.sites:
            found = module_in(site, name)
            if found:
                return found
        return None

    def closure(self, names):
        """Modules by name with their places: those, and what they import and require; and the names that are not there."""
        taken, missing, waiting = {}, [], list(dict.fromkeys(names))
        asked = set(waiting)
        while waiting:
            name = waiting.pop()
            path = self.find(name)
            if path is None:
                if name in names:
                    missing.append(name)
                continue
            taken[name] = path
            more = [*imports_of(path), *(f'_{name}',)]
            package = self.distribution_of(name)
            if package is not None:
                more += [each for need in package.requires or [] if 'extra ==' not in need for each in self.modules_of(project(need))]
            for each in more:
                if each not in asked and each not in NOT_TAKEN and each not in sys.stdlib_module_names:
                    asked.add(each)
                    waiting.append(each)
        return taken, missing

    def named(self, requirements):
        """The modules of what the lines of a requirements file name, and the lines that are not met."""
        wanted, unmet = [], []
        for line in requirements.splitlines():
            line = re.sub(r'(^|\s)#.*', '', line).strip()
            if not line or line.startswith(('--', '-i', '-f')):
                continue
            package = self.distributions().get(project(line))
            if package is None or not is_met(line, package.version):
                unmet.append(line)
                continue
            wanted += self.modules_of(project(line))
        return wanted, unmet

    def modules_of(self, name):
        """Names of the modules of a distribution; by its own name where it does not say."""
        package = self.distributions().get(name)
        if package is None:
            return []
        top = package.read_text('top_level.txt')
        if top:
            return top.split()
        files = package.files
        if files:
            return sorted({part[0].split('.')[0] for file in files if (part := file.parts) and not part[0].endswith(('.dist-info', '.data')) and part[0] not in ('..', '__pycache__')})
        plain = name.replace('-', '_')
        return [each for each in (plain, plain.removeprefix('py'), plain.removeprefix('python_')) if self.find(each)][:1]

    def distributions(self):
        if self._distributions is None:
            self._distributions = {}
            for package in metadata.distributions(path=self.sites):
                name = package.metadata['Name']
                if name:
                    self._distributions.setdefault(project(name), package)
        return self._distributions

    def distribution_of(self, module):
        found = self.distributions().get(project(module))
        if found is not None:
            return found
        for name, package in self.distributions().items():
            if module in (package.read_text('top_level.txt') or '').split():
                return package
        return None


def project(requirement):
    """The normalized name of a distribution, from a line that asks for it."""
    found = re.match(r'[A-Za-z0-9][A-Za-z0-9._-]*', requirement)
    return re.sub(r'[-_.]+', '-', found[0]).lower() if found else ''


def is_met(requirement, version):
    rest = re.sub(r'^[A-Za-z0-9._-]+\s*(\[[^\]]*\])?\s*', '', requirement).split(';')[0].strip().strip('()')
    if not rest:
        return True
    try:
        try:
            from packaging.specifiers import SpecifierSet
        except ImportError:
            from pip._vendor.packaging.specifiers import SpecifierSet
        return version in SpecifierSet(rest, prereleases=True)
    except Exception:  # Neither is here, or it is no specifier: exactly that version, or nothing that is known.
        return rest == f'=={version}'


def module_in(site, name):
    folder = os.path.join(site, name)
    if os.path.isdir(folder) and any(each.endswith(ENDINGS) or os.path.isdir(os.path.join(folder, each)) for each in os.listdir(folder)):
        return folder
    try:
        for each in os.listdir(site):
            if each.split('.')[0] == name and each.endswith(ENDINGS):
                return os.path.join(site, each)
    except OSError:
        pass
    return None


def imports_of(path):
    """The first names of all that is imported below a folder, or in a file."""
    found = set()
    for file in [path] if os.path.isfile(path) else walk(path):
        if not file.endswith('.py'):
            continue
        try:
            with open(file, 'rb') as opened:
                tree = ast.parse(opened.read())
        except (SyntaxError, ValueError, OSError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found.update(alias.name.split('.')[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.split('.')[0])
    return found


def walk(folder):
    for at, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each not in ('tests', 'test', '__pycache__')]
        for name in files:
            yield os.path.join(at, name)


def copy(path, folder):
    to = os.path.join(folder, os.path.basename(path))
    if os.path.isfile(path):
        shutil.copyfile(path, to)
    else:
        shutil.copytree(path, to, ignore=shutil.ignore_patterns('__pycache__', 'tests'), ignore_dangling_symlinks=True)


def size_of(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(file) for file in walk(path))


def readable(folder):
    """Whatever the umask: the function runs as another user."""
    for at, folders, files in os.walk(folder):
        os.chmod(at, 0o755)
        for name in files:
            path = os.path.join(at, name)
            os.chmod(path, 0o755 if os.access(path, os.X_OK) else 0o644)


main()
