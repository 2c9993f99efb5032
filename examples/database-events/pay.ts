import { payments } from './tables.ts'

/** POST `{"customer":"…","amount":…}`: stores a payment and returns it. Everything else follows from that. */
export async function Pay(request: Request): Promise<Response> {
  const { customer, amount } = (await request.json()) as { customer: string; amount: number }
  const payment = await payments.create({ customer, amount, status: 'paid' })
  console.log(`pay      ${payment.id}: ${customer} pays ${amount}`)
  return Response.json(payment, { status: 201 })
}
