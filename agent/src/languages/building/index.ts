/** What languages have in common when they make a version: which files it has, their digests, and its folder. */
export { Digests, sha256 } from './digests.ts'
export { globbedFiles, isReadAtRunTime, isSource, packageFiles, referencedFile, type TakenFile } from './taken-files.ts'
export { writeVersionFolder } from './version-folder.ts'
export { HostPythons, pythonBase, pythonEnvironment, sitesOf, type HostPython } from './host-python.ts'
export { Debugpy, findDelve, mustBeAProcess } from './debuggers.ts'
