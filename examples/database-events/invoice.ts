import { StoreError, type DocumentEvent } from '@ryo-faas/runtime'
import { invoices, type Payment } from './tables.ts'

/** A new payment gets an invoice. */
export async function Invoice({ id, after }: DocumentEvent<Payment>): Promise<void> {
  console.log(`invoice  ${id}: for ${after!.customer}`)
  try {
    await invoices.create({ payment: id, text: `${after!.customer} paid ${after!.amount}` }, { id })
  } catch (error) {
    // Events are delivered at least once: the second time the invoice already exists.
    if (!(error instanceof StoreError && error.status === 409)) throw error
  }
}
