/** Certificates by ACME (RFC 8555): asked for, renewed, kept on disk for the front. */
export { AcmeCertificates, type AcmeView } from './acme-certificates.ts'
export type { ChallengeKind } from './answers.ts'
