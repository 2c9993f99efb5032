export { SecretStore, type KeptSecret } from './secret-store.ts'
