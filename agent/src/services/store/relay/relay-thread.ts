/** The relay in a thread of its own, so that requests do not wait for it. */
import os from 'node:os'
import type { MessagePort } from 'node:worker_threads'
import type { LogHandle, OpenLog } from '../documents/index.ts'
import { runRelay, type RelayRunOptions } from './relay-run.ts'

/** `workerData` of the thread. */
export interface RelayThread extends RelayRunOptions {
  role: 'relay'
  log: LogHandle
}

/** A write that is waited for goes first when there are not enough cores for both. */
const NICENESS = 5

/** @param port there go `RelayNews`; the first message from there ends it */
export function runRelayThread(
  port: MessagePort,
  { log: handle, ...options }: RelayThread,
  openLog: (handle: LogHandle) => OpenLog,
): void {
  yieldToOthers()
  const log = openLog(handle)
  // One that fails to start ends the thread, which is started again.
  const { close } = runRelay(log, options, news => port.postMessage(news))
  port.once(
    'message',
    () =>
      void close()
        .then(() => log.close())
        .then(() => port.close()),
  )
}

/** On Linux a thread has a niceness of its own; elsewhere it would be the whole process's. */
function yieldToOthers(): void {
  if (process.platform !== 'linux') return
  try {
    os.setPriority(0, NICENESS)
  } catch {
    // Not allowed here: it goes on as it is.
  }
}
