/** Decides how NATS runs on this machine and makes the part of it. */
import type { DockerConnection } from '../engines/index.ts'
import { pullImage } from '../engines/index.ts'
import type { PlatformOptions } from './options.ts'
import { findNats, natsContainer, natsProcess } from '../services/nats/index.ts'
import type { Part } from '../supervisor/index.ts'

export async function obtainNats(context: {
  home: string
  options: PlatformOptions
  environment: NodeJS.ProcessEnv
  docker: DockerConnection | undefined
  port: () => number
  report: (doing: string) => void
}): Promise<Part> {
  const { home, options, environment, docker, port, report } = context
  const source = await findNats({
    choice: options.natsServer,
    image: options.natsImage,
    environment,
    ...(docker && {
      obtainImage: () =>
        pullImage(docker.docker, options.natsImage, report).then(
          () => true,
          () => false, // Neither here nor to be pulled: the search goes on, and its error names the image.
        ),
    }),
    mayInstall: process.getuid?.() === 0 || environment['CI'] === 'true',
    report,
  })
  if (source.kind === 'binary') return natsProcess({ home, path: source.path, environment, port })
  const user = `${process.getuid?.() ?? 1000}:${process.getgid?.() ?? 1000}`
  return natsContainer({ docker: docker!.docker, project: options.project, home, image: source.ref, port, user })
}
