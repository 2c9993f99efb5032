/** The tables of the shop. An invoice has the id of its payment, so that creating it twice yields one. */
import { store } from '@ryo-faas/runtime'

export interface Payment {
  customer: string
  amount: number
  status: 'paid' | 'invoiced'
  invoice?: string
}

export interface Invoice {
  payment: string
  text: string
}

export const payments = store<Payment>('payments')
export const invoices = store<Invoice>('invoices')
