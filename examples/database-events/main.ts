/** The shop as one service: a request and three triggers in one process. */
import type { Service } from '@ryo-faas/runtime'
import { Email } from './email.ts'
import { Invoice } from './invoice.ts'
import { Pay } from './pay.ts'
import { Update } from './update.ts'

export function main(service: Service): void {
  service
    .http('/pay', Pay)
    .on('payments', ['new-doc'], Invoice)
    .on('invoices', ['new-doc'], Update)
    .on('payments', ['updated-doc'], Email)
}
