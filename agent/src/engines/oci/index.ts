/** Images without an engine; loaded by those who make some. */
export { imageArchive } from './image-archive.ts'
export { OciImages, processorOf, type OciImage } from './oci-images.ts'
export { imageSources } from './image-sources.ts'
export { Registry } from './registry.ts'
export { APP_FOLDER, FUNCTION_UID, pathOf } from '../docker/container-spec.ts'
