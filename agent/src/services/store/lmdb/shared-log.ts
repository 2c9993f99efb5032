/**
 * The log in another thread, which opens the environment itself. It asks for news only when it has read all there is, so
 * that commits cost nothing while it is busy.
 */
import { once } from 'node:events'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { type CommitNews, followLog, type LogHandle, type OpenLog, type SharedLog } from '../documents/index.ts'
import { KIND } from './data-folder.ts'
import { openEnvironment } from './environment.ts'
import { Reader } from './reader.ts'

interface Handle extends LogHandle {
  /** Of the environment. */
  path: string
  /** There goes the sequence above which there is nothing to read; something comes back once there is. */
  port: MessagePort
}

export function shareLog(path: string, news: CommitNews): SharedLog {
  const { port1: ours, port2: theirs } = new MessageChannel()
  const gone = new AbortController()
  ours.on('message', (through: number) => void news.above(through, gone.signal).then(() => ours.postMessage('news')))
  ours.once('close', () => gone.abort())
  ours.unref()
  const handle: Handle = { kind: KIND, path, port: theirs }
  return { handle, transfer: [theirs] }
}

/** @param handle what `shareLog` gave */
export function openSharedLog(handle: LogHandle): OpenLog {
  const { path, port } = handle as Handle
  const environment = openEnvironment(path)
  const reader = new Reader(environment)
  port.start()
  const log = {
    read: (piece: Parameters<Reader['readLog']>[0]) => {
      reader.refresh()
      return reader.readLog(piece)
    },
    newsAbove: async (sequence: number, signal: AbortSignal) => {
      const news = once(port, 'message', { signal }).catch(() => undefined)
      port.postMessage(sequence)
      await news
    },
  }
  return {
    logBounds: async () => {
      reader.refresh()
      return reader.logBounds()
    },
    changes: options => followLog(log, options),
    close: async () => {
      port.close()
      await environment.root.close()
    },
  }
}
