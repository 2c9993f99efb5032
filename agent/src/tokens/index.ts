export { TokenStore } from './token-store.ts'
