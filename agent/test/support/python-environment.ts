/** Where tests in Python run: on the Python of the system first, which has the packages of `system-packages.ts`. */
import { delimiter } from 'node:path'

/** The Python of the system. */
export const SYSTEM_PYTHON = '/usr/bin/python3'

/** An index is not asked for packages. */
export const PYTHON_ENVIRONMENT = {
  PATH: ['/usr/bin', process.env['PATH'] ?? ''].join(delimiter),
  VIRTUAL_ENV: '',
  PIP_NO_INDEX: '1',
}
