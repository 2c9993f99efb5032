import type { DocumentEvent } from '@ryo-faas/runtime'
import { payments, type Invoice } from './tables.ts'

/** Records a new invoice in its payment. */
export async function Update({ id, after }: DocumentEvent<Invoice>): Promise<void> {
  console.log(`update   ${after!.payment}: has the invoice ${id}`)
  await payments.update(after!.payment, { status: 'invoiced', invoice: id })
}
