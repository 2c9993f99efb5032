/** What images are made of where no Docker makes them: files of this machine. */
import { hostPathsOf } from '../../contract/index.ts'
import type { BaseImageSource } from '../docker/base-image.ts'
import { baseImageOf, otherBaseImages, type ImageChoice } from '../docker/docker-type.ts'
import { NODE_BASE } from '../pool/pool-class.ts'

export function imageSources(choice: ImageChoice): (base: string) => Promise<BaseImageSource> {
  const others = otherBaseImages(choice)
  return async base => {
    if (base === NODE_BASE) return baseImageOf(choice.baseImage, choice.nodePath)
    const paths = hostPathsOf(base)
    return paths === undefined ? others(base) : { kind: 'host', paths }
  }
}
