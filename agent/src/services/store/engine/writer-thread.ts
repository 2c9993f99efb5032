/** The thread that writes: opens the environment, runs what it is sent, and does the background's work in between. */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import { Background } from './background.ts'
import { CommandRunner } from './command-runner.ts'
import type { Command } from './commands.ts'
import { openEnvironment } from './environment.ts'
import type { WriterThreadOptions } from './thread-executor.ts'
import { Writer } from './writer.ts'

type Message = Command[] | 'close'

/** Most commands in one transaction. */
const MOST_TOGETHER = 1_000

export function runWriterThread(port: MessagePort, { path, source }: WriterThreadOptions): void {
  const environment = openEnvironment(path)
  const writer = new Writer(environment, source)
  const runner = new CommandRunner(writer)
  const background = new Background(writer, runner)

  const work = (first: Message): 'going on' | 'closing' => {
    let message: Message | undefined = first
    while (message !== undefined) {
      if (message === 'close') return 'closing'
      const incoming: IncomingCommands = new IncomingCommands(port, message)
      port.postMessage(runner.run(() => incoming.next()))
      message = incoming.left()
    }
    return 'going on'
  }
  port.on('message', (message: Message) => {
    if (work(message) === 'going on') return background.poke()
    background.stop()
    port.close()
    void environment.root.close()
  })
  port.postMessage('ready')
}

/** The commands of a message and of those that have come in since, as many as one transaction takes. */
class IncomingCommands {
  private readonly port: MessagePort
  private message: Message | undefined
  private at = 0
  private count = 0

  constructor(port: MessagePort, first: Message) {
    this.port = port
    this.message = first
  }

  next(): Command | undefined {
    if (this.message === undefined || this.message === 'close' || this.count >= MOST_TOGETHER) return undefined
    if (this.at >= this.message.length) {
      this.message = receive(this.port)
      this.at = 0
      return this.next()
    }
    this.count += 1
    return this.message[this.at++]
  }

  /** What was received and not handed out. */
  left(): Message | undefined {
    if (this.message === undefined || this.message === 'close') return this.message
    const rest = this.message.slice(this.at)
    return rest.length > 0 ? rest : receive(this.port)
  }
}

function receive(port: MessagePort): Message | undefined {
  return receiveMessageOnPort(port)?.message as Message | undefined
}
