/** Everything we ask of the operating system, and helpers to order asynchronous work. */
export { backoffMs } from './backoff.ts'
export { readIfPresent, writeAtomically, writeDurably } from './durable-file.ts'
export { GrowingUlids, timeOfUlid, ulidOf, ULID_CHANCE_BYTES } from '@ryo-faas/runtime/documents'
export { KeyedQueue } from './keyed-queue.ts'
export { settleAll } from './settle-all.ts'
export { AHEAD, begin, callOff } from './ahead-process.ts'
export { listenAt, spawnSuccessor } from './handed-sockets.ts'
export { spawnDetached, type DetachedCommand, type DetachedProcess } from './detached-process.ts'
export {
  endGroup,
  identifyProcess,
  isAlive,
  isStopped,
  residentBytes,
  signalGroup,
  signalProcess,
  waitForExit,
} from './process-identity.ts'
export { ProcessIdentity } from './saved-identity.ts'
export { acquireProcessLock } from './process-lock.ts'
export { pauseProcess, type Resume } from './paused-process.ts'
export { SealedBox } from './sealed-box.ts'
export { ExtraHost, listenAtAll } from './extra-listener.ts'
export { portTaken, type PartWithPort } from './port-owner.ts'
export { boundFile } from './bounded-file.ts'
export { GrowingFile } from './growing-file.ts'
export { addProcessMetrics } from './process-metrics.ts'
export { EventStream } from './event-stream.ts'
export { answerMalformed, type MalformedStatus } from './malformed-request.ts'
export { addedCertificates, certificatesIn } from './certificates.ts'
export { freePort } from './free-port.ts'
export { NO_COMPILERS } from './no-compilers.ts'
export { ownAddressTowards } from './own-address.ts'
export { announceReady, readyAddress } from './ready-file.ts'
export { closeOnSignals, readOptionsFile } from './part-process.ts'
