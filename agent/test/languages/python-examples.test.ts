import { PYTHON_ENVIRONMENT } from '../support/python-environment.ts'
import { sampleOf } from '../support/whole-suite.ts'
import { examplesContract } from './examples-contract.ts'

examplesContract('Python', {
  engines: sampleOf(['docker', 'process']),
  folder: 'python',
  environment: PYTHON_ENVIRONMENT,
  edit: {
    path: 'hello/hello.py',
    broken: { replacement: ['HelloWorld(request)', 'HelloWorld()'], problem: /hello\.py:1:5.*HelloWorld/s },
  },
})
