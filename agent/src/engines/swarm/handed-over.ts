/** Secrets and configs of Swarm, as many as an instance needs, known by its label and removed with it. */
import type Docker from 'dockerode'
import { ignoreStatus } from '../../docker/index.ts'
import type { InstanceSpec } from '../engine.ts'
import { labelsOf } from '../docker/container-spec.ts'
import { contentsOf, type Handed } from './service-spec.ts'
import { translateSwarmError } from './swarm-errors.ts'

interface Named {
  ID: string
}

export class HandedOver {
  readonly #docker: Docker
  readonly #project: string

  constructor(docker: Docker, project: string) {
    this.#docker = docker
    this.#project = project
  }

  /** @throws RyoFaasError ENGINE_FAILED, also if one is larger than Swarm allows (500 KB) */
  async create(spec: InstanceSpec): Promise<Handed[]> {
    const Labels = labelsOf(this.#project, spec)
    try {
      return await Promise.all(
        contentsOf(spec).map(async ({ kind, target, content }, index) => {
          // The name of a secret is no secret, and its value must not be guessed from it.
          const name = `${this.#project}-${spec.id}-${index}`
          const options = { Name: name, Labels, Data: Buffer.from(content).toString('base64') }
          const made = kind === 'secret' ? this.#docker.createSecret(options) : this.#docker.createConfig(options)
          const { id } = (await made) as { id: string }
          return { kind, target, name, id }
        }),
      )
    } catch (error) {
      throw translateSwarmError(error, `handing secrets to ${spec.route}`)
    }
  }

  /** Of one instance, or all. What a service still uses stays, and Docker says so. */
  async remove(id?: string): Promise<void> {
    const label = [id === undefined ? `ryo-faas=${this.#project}` : `${this.#project}.instance=${id}`]
    const [secrets, configs] = (await Promise.all([
      this.#docker.listSecrets({ filters: { label } }),
      this.#docker.listConfigs({ filters: { label } }),
    ])) as [Named[], Named[]]
    await Promise.all([
      ...secrets.map(({ ID }) => this.#docker.getSecret(ID).remove().catch(ignoreStatus(404))),
      ...configs.map(({ ID }) => this.#docker.getConfig(ID).remove().catch(ignoreStatus(404))),
    ])
  }
}
