import { afterAll, expect, it } from 'vitest'
import { createCheckService } from './check-service.ts'
import { compileDecorated } from './compile.ts'

const service = createCheckService()
afterAll(() => service.close())

const request = (text: string, path = '/work/a.ts') => ({
  path,
  text,
  compilerOptions: { target: 'es2020', module: 'commonjs', emitDecoratorMetadata: true, strictNullChecks: true },
})

it('the checker’s process compiles decorators with their metadata', async () => {
  const code = await service.compile(request(`class A { @field() at!: string; plain: string }`))
  expect(code).toContain('__metadata("design:type", String)')
  expect(code).not.toContain('plain')
  expect(code).toContain('//# sourceMappingURL=data:application/json')
})

it('modules stay modules, unless only CommonJS has what they use', () => {
  const decorated = `import { field } from 'x'; @field() export class A {}`
  expect(compileDecorated(request(decorated))).toContain(`import { field } from 'x'`)
  expect(compileDecorated(request(`import fs = require('fs'); ${decorated}\nfs.readFileSync('')`))).toContain(
    'require("fs")',
  )
  expect(compileDecorated(request(decorated, '/work/a.cts'))).toContain('exports.A')
})
