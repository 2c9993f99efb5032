import { spawn } from 'node:child_process'
import { writeDurably } from '../host/index.ts'

const OPENERS: Partial<Record<NodeJS.Platform, [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
}

/**
 * Opens a URL in the desktop's browser; without one, the printed URL has to do. Everyone on this machine can read a
 * command line in the process list, so the opener gets the path of a private page that redirects to the URL.
 * @param file path for that page
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
