import { z } from 'zod'

/** A certificate with which HTTPS is served, or one that is missing. */
export const CertificateView = z.object({
  /** Host names and addresses that it is for. */
  names: z.array(z.string()),
  /** `file`: somebody put it there; `acme`: the platform gets and renews it. */
  source: z.enum(['file', 'acme']),
  /** ISO time; absent: there is none yet. */
  expiresAt: z.string().optional(),
  /** Why it could not be obtained or renewed the last time, and when that is tried again. */
  problem: z.string().optional(),
  nextTryAt: z.string().optional(),
})
export type CertificateView = z.infer<typeof CertificateView>
