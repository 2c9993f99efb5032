/**
 * Names on a server that several platforms use. Everywhere else streams and subjects are named as on a server of our
 * own, `rfa_calls` and `rfa.call.…`; on one that is shared `rfa` is replaced by `rfa-<project>` on the way out and put
 * back on the way in, in this folder alone: `rfa-shop_calls`, `rfa-shop.call.…`, `KV_rfa-shop_triggers`.
 */

const OWN = 'rfa'
const STREAM = /^(KV_)?rfa(?=_)/
const SUBJECT = /^(?:rfa(?=\.)|\$KV\.rfa(?=_))/

export interface BusNames {
  /** Others run the server, and it may be one of several. */
  readonly isShared: boolean
  stream(name: string): string
  subject(subject: string): string
  /** Of a subject of the server, the one that the rest of the platform knows. */
  ownSubject(subject: string): string
}

const SAME = (name: string) => name
const UNCHANGED: BusNames = { isShared: false, stream: SAME, subject: SAME, ownSubject: SAME }

/** @param project of a platform that shares the server; absent: nothing is renamed */
export function namesOf(project: string | undefined): BusNames {
  if (project === undefined) return UNCHANGED
  const shared = `${OWN}-${project}`
  const [subjects, bucket] = [`${shared}.`, `$KV.${shared}_`]
  return {
    isShared: true,
    stream: name => name.replace(STREAM, (_, kv: string = '') => kv + shared),
    subject: subject => subject.replace(SUBJECT, own => own.replace(OWN, shared)),
    ownSubject: subject => {
      if (subject.startsWith(subjects)) return OWN + subject.slice(shared.length)
      return subject.startsWith(bucket) ? `$KV.${OWN}_${subject.slice(bucket.length)}` : subject
    },
  }
}
