export { builtFunctions, deployedFunctions, type ExportedFunction } from './exported-function.ts'
export { manifestText } from './manifest-text.ts'
export { objectName, objectsOf, secretName } from './manifests.ts'
export { GENERAL_NOTES, notesOf } from './notes.ts'
