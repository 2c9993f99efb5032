/** The first steps where no Docker answers. */
import { NO_DOCKER } from '../bed/windows.ts'
import { firstSteps } from './first-steps.ts'

firstSteps({ pictures: 'processes', engineNote: 'as processes, without isolation', environment: NO_DOCKER })
