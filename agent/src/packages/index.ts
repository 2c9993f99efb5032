export { PackageStore } from './package-store.ts'
export { unsuitable, type Target } from './machine-code.ts'
export { thisMachine } from './this-machine.ts'
export {
  openArtefact,
  writeArtefact,
  type ArtefactSettings,
  type OpenedArtefact,
  type WrittenArtefact,
} from './artefact.ts'
export { packageOf, type FolderPackage } from './package-folder.ts'
