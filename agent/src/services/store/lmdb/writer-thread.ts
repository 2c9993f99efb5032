/** The thread that writes: opens the environment, runs what it is sent, and does the background's work in between. */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import { Background } from './background.ts'
import { CommandRunner } from './command-runner.ts'
import type { Command } from './commands.ts'
import { openEnvironment } from './environment.ts'
import { packAnswers, unpackCommands, type PackedCommands } from './packing.ts'
import type { CommittedMessage, WriterThread } from './thread-executor.ts'
import { Writer } from './writer.ts'

type Message = PackedCommands | 'close'
type Received = Command[] | 'close'

/** Most commands in one transaction. */
const MOST_TOGETHER = 1_000

export function runWriterThread(port: MessagePort, { path, source }: WriterThread): void {
  const environment = openEnvironment(path)
  const writer = new Writer(environment, source)
  const runner = new CommandRunner(writer)
  const background = new Background(writer, runner)

  const work = (first: Received): 'going on' | 'closing' => {
    let message: Received | undefined = first
    while (message !== undefined) {
      if (message === 'close') return 'closing'
      const incoming: ReturnType<typeof incomingCommands> = incomingCommands(port, message)
      const { answers, sequence } = runner.run(incoming.next)
      port.postMessage({ answers: packAnswers(answers), sequence } satisfies CommittedMessage)
      background.step()
      message = incoming.left()
    }
    return 'going on'
  }
  port.on('message', (message: Message) => {
    if (work(unpacked(message)) === 'going on') return background.poke()
    background.stop()
    port.close()
    void environment.root.close()
  })
  port.postMessage('ready')
}

/** Hands out the commands of a message and of those that have come in since, as many as one transaction takes. */
function incomingCommands(port: MessagePort, first: Received) {
  let message: Received | undefined = first
  let at = 0
  let count = 0
  const next = (): Command | undefined => {
    if (message === undefined || message === 'close' || count >= MOST_TOGETHER) return undefined
    if (at >= message.length) {
      message = receive(port)
      at = 0
      return next()
    }
    count += 1
    return message[at++]
  }
  /** What was received and not handed out, or has come in while the disk was waited for. */
  const left = (): Received | undefined => {
    if (message === 'close') return 'close'
    const rest = message?.slice(at) ?? []
    return rest.length > 0 ? rest : receive(port)
  }
  return { next, left }
}

function receive(port: MessagePort): Received | undefined {
  const message = receiveMessageOnPort(port)?.message as Message | undefined
  return message && unpacked(message)
}

function unpacked(message: Message): Received {
  return message === 'close' ? message : unpackCommands(message)
}
