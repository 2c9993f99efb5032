export { PackageStore } from './package-store.ts'
export { unsuitable, type Target } from './machine-code.ts'
export { thisMachine } from './this-machine.ts'
