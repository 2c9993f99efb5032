import { spawn } from 'node:child_process'
import { writeDurably } from '../host/index.ts'

const OPENERS: Partial<Record<NodeJS.Platform, [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
}

/**
 * Shows an address in the browser of this desktop. Where there is none, the address that was printed has to do. What
 * the opener is given, everybody on this machine can read in the list of processes: a page in a file of ours, which
 * leads to the address.
 * @param file where that page may lie
 */
export async function openUrl(url: string, file: string): Promise<void> {
  await writeDurably(file, redirectPage(url))
  await open(file)
}

export function redirectPage(url: string): string {
  return `<!doctype html><meta charset="utf-8"><title>ryo-faas</title><script>location.replace(${JSON.stringify(url).replaceAll('<', '\\u003c')})</script>\n`
}

function open(file: string): Promise<void> {
  const [command, ...args] = OPENERS[process.platform] ?? ['xdg-open']
  return new Promise(resolve => {
    const child = spawn(command, [...args, file], { stdio: 'ignore', detached: true })
    child.once('error', () => resolve())
    child.once('spawn', () => {
      child.unref()
      resolve()
    })
  })
}
