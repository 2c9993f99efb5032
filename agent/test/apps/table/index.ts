import type { App } from '../app.ts'
import { DIALECTS } from './dialects.ts'
import { FRAMEWORKS } from './frameworks.ts'
import { NATIVES } from './natives.ts'
import { PACKAGES } from './packages.ts'
import { PEERS } from './peers.ts'
import { PROJECTS } from './projects.ts'
import { SOURCES } from './sources.ts'
import { SURROUNDINGS } from './surroundings.ts'
import { TEST_RUNNERS } from './test-runners.ts'

export const APPS: readonly App[] = [
  ...FRAMEWORKS,
  ...PACKAGES,
  ...NATIVES,
  ...SOURCES,
  ...DIALECTS,
  ...PEERS,
  ...PROJECTS,
  ...TEST_RUNNERS,
  ...SURROUNDINGS,
]
