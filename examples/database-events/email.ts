import type { DocumentEvent } from '@ryo-faas/runtime'
import type { Payment } from './tables.ts'

/** Tells the customer once a payment has its invoice. */
export function Email({ id, before, after }: DocumentEvent<Payment>): void {
  if (before?.status === after!.status) return
  console.log(`e-mail   ${id}: Dear ${after!.customer}, here is your invoice ${after!.invoice}.`)
}
