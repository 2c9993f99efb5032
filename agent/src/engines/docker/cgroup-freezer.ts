/**
 * The freezer of a container's cgroup, used directly where the agent may: for `docker pause` and `unpause` Docker starts
 * a program, and a call that waits for a frozen instance waits for that program. Docker is not told: to it the container
 * runs, and whoever stops it there ends it all the same (runc thaws what it kills).
 * Source: the kernel's documentation, admin-guide/cgroup-v1/freezer-subsystem and admin-guide/cgroup-v2.
 */
import { constants } from 'node:fs'
import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ContainerInspectInfo } from 'dockerode'
import { RyoFaasError } from '../../contract/index.ts'

/** Processes stop when they leave the kernel: at once, unless a device keeps one. */
const MOST_MS = 5_000
const ASK_EVERY_MS = 1
const TRIES_BETWEEN_THAWS = 20

interface Version {
  /** Where the controller is mounted. */
  mount: string
  file: string
  frozen: string
  thawed: string
  /** What says that all processes have stopped. */
  state: { file: string; frozen: RegExp }
}

const V1: Version = {
  mount: 'sys/fs/cgroup/freezer',
  ...{ file: 'freezer.state', frozen: 'FROZEN', thawed: 'THAWED' },
  state: { file: 'freezer.state', frozen: /^FROZEN/ },
}
const V2: Version = {
  mount: 'sys/fs/cgroup',
  ...{ file: 'cgroup.freeze', frozen: '1', thawed: '0' },
  state: { file: 'cgroup.events', frozen: /^frozen 1$/m },
}

export class CgroupFreezer {
  readonly #folder: string
  readonly #version: Version

  private constructor(folder: string, version: Version) {
    this.#folder = folder
    this.#version = version
  }

  /** @returns undefined if it is not this machine's, or this agent has no right to it */
  static async of(
    { Id: id, State: { Pid: pid } }: Pick<ContainerInspectInfo, 'Id'> & { State: { Pid: number } },
    root = '/',
  ): Promise<CgroupFreezer | undefined> {
    if (pid === 0) return undefined
    try {
      const lines = (await readFile(join(root, 'proc', String(pid), 'cgroup'), 'utf8')).split('\n')
      const isV1 = lines.some(line => line.split(':')[1] === 'freezer')
      const [version, controller] = isV1 ? [V1, 'freezer'] : [V2, '']
      const path = lines
        .find(line => line.split(':')[1] === controller)
        ?.split(':')
        .slice(2)
        .join(':')
      // With a Docker elsewhere (or in a virtual machine) it is the number of another process.
      if (!path?.includes(id)) return undefined
      const folder = join(root, version.mount, path)
      await access(join(folder, version.file), constants.R_OK | constants.W_OK)
      return new CgroupFreezer(folder, version)
    } catch {
      return undefined
    }
  }

  /**
   * Writes again while it is not frozen and lets go now and then, as runc does: version 1 can get stuck on a process that
   * is just starting another.
   * @throws RyoFaasError ENGINE_FAILED if a process does not stop; then none is left frozen.
   */
  async freeze(): Promise<void> {
    const deadline = performance.now() + MOST_MS
    for (let tries = 1; performance.now() < deadline; tries += 1) {
      await this.#write(this.#version.frozen)
      if (await this.isFrozen()) return
      if (tries % TRIES_BETWEEN_THAWS === 0) await this.thaw()
      await delay(ASK_EVERY_MS)
    }
    await this.thaw()
    throw new RyoFaasError('ENGINE_FAILED', `a process in ${this.#folder} does not stop for the freezer`)
  }

  thaw(): Promise<void> {
    return this.#write(this.#version.thawed)
  }

  /** @throws ENOENT if the container is gone */
  async isFrozen(): Promise<boolean> {
    const { file, frozen } = this.#version.state
    return frozen.test(await readFile(join(this.#folder, file), 'utf8'))
  }

  #write(value: string): Promise<void> {
    return writeFile(join(this.#folder, this.#version.file), value, { flag: 'r+' })
  }
}
