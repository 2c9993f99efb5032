/** What Linux reports about a running process in /proc. */
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'

/** USER_HZ; 100 on every Linux that matters here. */
const TICK_US = 10_000
const KIB = 1024

export interface Memory {
  /** Resident memory. */
  rssBytes: number
  /** Resident memory, shared pages divided by the number of processes that share them. */
  pssBytes: number
  /** What its exit would free: unshared pages. */
  ownBytes: number
}

/** CPU time of a process tree so far, user and system. */
export function cpuTimeUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  const own = (Number(fields[11]) + Number(fields[12])) * TICK_US
  return childrenOf(pid).reduce((sum, child) => sum + cpuTimeUs(child), own)
}

/** CPU time of a process's threads so far, in ms: finer than `cpuTimeUs`, but without children. */
export function threadsCpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  const ns = threads.map(thread => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]))
  return ns.reduce((sum, own) => sum + own, 0) / 1e6
}

/** Its command line, arguments separated by spaces; empty if it has ended. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

export function memoryOf(pid: number): Memory {
  return parseMemory(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))
}

/** Of one process, which may have ended: its memory that is no page of a file. Cheap: the kernel keeps count of it. */
export function anonymousBytes(pid: number): number {
  try {
    return statusBytes(pid, 'RssAnon') || 0
  } catch {
    return 0
  }
}

function parseMemory(rollup: string): Memory {
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1]) * KIB
  return {
    rssBytes: bytes('Rss'),
    pssBytes: bytes('Pss'),
    ownBytes: bytes('Private_Clean') + bytes('Private_Dirty'),
  }
}

/**
 * Makes `peakBytes` count from now on (proc(5), clear_refs); returns the current resident memory of the process tree.
 */
export async function resetPeak(pid: number): Promise<number> {
  const tree = treeOf(pid)
  await Promise.all(tree.map(member => writeFile(`/proc/${member}/clear_refs`, '5')))
  return tree.reduce((sum, member) => sum + statusBytes(member, 'VmRSS'), 0)
}

/** Peak resident memory since `resetPeak`. */
export function peakBytes(pid: number): number {
  return treeOf(pid).reduce((sum, member) => sum + statusBytes(member, 'VmHWM'), 0)
}

function statusBytes(pid: number, name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * KIB
}

function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)]
}

export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}
