/** Decides how NATS runs on this machine and makes the part of it. Where functions run does not matter to it. */
import { pullImage, type DockerService } from '../docker/index.ts'
import { MAY_INSTALL, type PlatformOptions } from './options.ts'
import { findNats, natsContainer, natsProcess, type NatsPart } from '../services/nats/index.ts'

export async function obtainNats(context: {
  home: string
  options: PlatformOptions
  environment: NodeJS.ProcessEnv
  docker: DockerService
  port: () => number
  report: (doing: string) => void
}): Promise<NatsPart> {
  const { home, options, environment, port, report } = context
  const source = await findNats({
    choice: options.natsServer,
    image: options.natsImage,
    environment,
    obtainImage: async () => {
      const { docker } = await context.docker.connect()
      await pullImage(docker, options.natsImage, report)
      return docker
    },
    mayInstall: environment['CI'] === 'true' || environment[MAY_INSTALL] === 'true',
    report,
  })
  const isSynced = options.natsSync === 'on'
  if (source.kind === 'binary') return natsProcess({ home, path: source.path, environment, port, isSynced })
  const user = `${process.getuid?.() ?? 1000}:${process.getgid?.() ?? 1000}`
  const { docker, ref: image } = source
  return natsContainer({ docker, project: options.project, home, image, port, user, isSynced })
}
