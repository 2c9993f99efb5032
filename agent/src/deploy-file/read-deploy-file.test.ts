import { symlink, writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { Languages } from '../languages/index.ts'
import { SHELL } from '../languages/testing/shell-language.ts'
import { languages, useProject } from './deploy-file-testing.ts'
import { readDeployFile } from './read-deploy-file.ts'

const project = useProject()

test('comments and trailing commas are fine, and paths come out absolute with defaults filled in', async () => {
  expect(
    await project.read(`{ // one
    "deploy": [ { "name": "Hello", "packageDir": "./hello", "filePath": "./hello/main.ts", }, ],
  }`),
  ).toMatchObject({
    kind: 'read',
    functions: [
      {
        entry: {
          ...{ name: 'Hello', packageDir: project.path('hello'), filePath: project.path('hello/main.ts') },
          timeoutMs: 30_000,
        },
        language: { name: 'node' },
      },
    ],
  })
})

test('a missing file says how to get one', async () => {
  expect(await readDeployFile(project.file, languages)).toMatchObject({
    kind: 'rejected',
    problems: [{ code: 'missing-file', hint: expect.stringContaining('init') }],
  })
})

test('a syntax error is reported where it is', async () => {
  expect(await project.problemsOf('{\n  "deploy": [ nope ]\n}')).toEqual(
    expect.arrayContaining([expect.stringMatching(/^2:15 syntax/)]),
  )
  expect(await project.problemsOf('')).toHaveLength(1)
})

test('all problems of a file are reported at once, in the order of the file', async () => {
  const problems = await project.problemsOf(`{
  "deploy": [
    { "name": "a b", "packageDir": 1, "filePath": "./hello/main.ts" },
    { "name": "Hello", "packageDir": "./hello", "filePath": "./hello/main.ts", "timeoutMS": 5 },
    { "name": "hello", "packageDir": "./hello", "filePath": "./hello/absent.ts", "async": { "atempts": 3 } },
    { "name": "up", "packageDir": "..", "filePath": "../x.ts", "memoryMb": 1 },
    { "packageDir": "./none", "filePath": "./hello/main.ts", "on": [{ "table": "t", "events": ["changed"] }] }
  ],
  "wat": true
}`)
  expect(problems).toEqual([
    expect.stringMatching(/^3:15 wrong-value "name" must be 1 to 63/),
    '3:36 wrong-type "packageDir" must be a string',
    '4:80 unknown-field unknown field "timeoutMS", did you mean "timeoutMs"?',
    '5:15 duplicate-name "hello" and "Hello" have the same route (case does not count)',
    '5:61 missing-file the file "./hello/absent.ts" does not exist',
    '5:93 unknown-field unknown field "atempts", did you mean "attempts"?',
    '6:35 path-outside ".." is outside the folder of this file',
    '6:53 path-outside "../x.ts" is outside the folder of this file',
    expect.stringMatching(/^6:76 wrong-value "memoryMb" must be at (least|most) \d+$/),
    '7:5 missing-field "name" is missing',
    '7:21 missing-folder the folder "./none" does not exist',
    '7:43 path-outside "./hello/main.ts" is outside its packageDir "./none"',
    expect.stringMatching(/^7:96 wrong-value "on\[0\]\.events\[0\]" must be one of new-doc, /),
    '9:3 unknown-field unknown field "wat"',
  ])
})

test('a trigger may name its kind, and is a document trigger without one', async () => {
  const on = [
    { table: 't', events: ['new-doc'] },
    { kind: 'document', table: 't', events: ['new-doc'], ids: ['a'] },
  ]
  expect(
    await project.read(JSON.stringify({ deploy: [{ name: 'A', packageDir: 'hello', filePath: 'hello/main.ts', on }] })),
  ).toMatchObject({ kind: 'read', functions: [{ entry: { on } }] })
})

test('an unknown kind of trigger is a problem that names the known ones', async () => {
  const problems = await project.problemsOf(`{
  "deploy": [
    { "name": "A", "packageDir": "./hello", "filePath": "./hello/main.ts",
      "on": [{ "kind": "cron", "at": "12:00" }, { "kind": 5 }, { "kinds": "document", "table": "t", "events": ["new-doc"] }] }
  ]
}`)
  expect(problems).toEqual([
    '4:24 wrong-value "on[0].kind" must be one of the kinds of triggers: "document", "event", "nats"',
    '4:59 wrong-value "on[1].kind" must be one of the kinds of triggers: "document", "event", "nats"',
    '4:66 unknown-field unknown field "kinds", did you mean "kind"?',
  ])
})

test('a symbolic link cannot lead outside', async () => {
  await symlink('/etc', project.path('hello/link'))
  expect(
    await project.problemsOf('{"deploy":[{"name":"x","packageDir":"./hello","filePath":"./hello/link/hostname"}]}'),
  ).toEqual([expect.stringContaining('path-outside')])
})

test('an unknown language is reported with the known ones, and an unknown extension with the known extensions', async () => {
  await project.write('hello/main.rb', '')
  const text = (fields: string) => `{"deploy":[{"name":"x","packageDir":"./hello",${fields}}]}`
  const hintsOf = async (fields: string) => {
    const outcome = await project.read(text(fields))
    return outcome.kind === 'rejected' ? outcome.problems.map(({ hint }) => hint) : []
  }
  const misspelt = '"filePath":"./hello/main.ts","language":"Nodee"'
  expect(await project.problemsOf(text(misspelt))).toEqual([
    '1:87 unknown-language unknown language "Nodee", did you mean "node"?',
  ])
  expect(await hintsOf(misspelt)).toEqual(['Known: node, go, python, command'])
  const unclaimed = '"filePath":"./hello/main.rb"'
  expect(await project.problemsOf(text(unclaimed))).toEqual([
    '1:58 unknown-language "./hello/main.rb" has an unknown file extension',
  ])
  expect(await hintsOf(unclaimed)).toEqual([
    expect.stringMatching(/^Known extensions: \.ts .*\.jsx \(node\), \.go \(go\), \.py \(python\)$/),
  ])
  // If the path is wrong, only that is reported.
  expect(await project.problemsOf(text('"filePath":"./hello/absent.rb"'))).toEqual([
    expect.stringMatching(/missing-file/),
  ])
})

test('"node" is a version from 20 on, and only for functions that run on Node', async () => {
  const text = (more: string) => `{"deploy":[{"name":"x","packageDir":"./hello",${more}}]}`
  const module = '"filePath":"./hello/main.ts"'
  for (const [value, isRight] of Object.entries({
    20: true,
    '22.12': true,
    '22.12.0': true,
    18: false,
    lts: false,
    v22: false,
  })) {
    expect([value, (await project.read(text(`${module},"node":"${value}"`))).kind]).toEqual([
      value,
      isRight ? 'read' : 'rejected',
    ])
  }
  expect(await project.problemsOf(text(`${module},"node":"18"`))).toEqual([
    '1:83 wrong-value "node" must be a version of Node from 20 on, such as "22" or "22.12.0"',
  ])
  await project.write('hello/main.sh', '')
  await project.write('deploy.json', text('"filePath":"./hello/main.sh","memoryMb":64,"node":"22"'))
  const node = languages.named('node')
  expect(await readDeployFile(project.file, new Languages([node, SHELL]))).toMatchObject({
    kind: 'rejected',
    problems: [{ code: 'wrong-value', column: 90, message: '"node" has no meaning for a function in shell' }],
  })
})

test('a named language takes precedence over the extension', async () => {
  await project.write('hello/main.txt', '')
  expect(
    await project.read(
      '{"deploy":[{"name":"x","packageDir":"./hello","filePath":"./hello/main.txt","language":"node"}]}',
    ),
  ).toMatchObject({
    kind: 'read',
    functions: [{ entry: { language: 'node' }, language: { name: 'node' } }],
  })
})

test('a rule on access, or on pages, that would let in more than was meant is refused where it is', async () => {
  const problems = async (fields: string) => {
    const found = await project.problemsOf(
      `{"deploy":[{"name":"x","packageDir":"./hello","filePath":"./hello/main.ts",${fields}}]}`,
    )
    return found.map(problem => problem.replace(/^1:\d+ /, ''))
  }
  const rules = 'wrong-type "access" must be "public", "private", "key" or { "jwt": { … } }'
  for (const value of ['"pubic"', '[]', 'null', 'true']) expect(await problems(`"access":${value}`)).toEqual([rules])
  const jwt = (fields: string) => problems(`"access":{"jwt":{"issuer":"https://id.example","audience":"a",${fields}}}`)
  expect(await jwt('"jwks":"https://id.example/jwks"')).toEqual([])
  expect(await jwt('"secret":"HS"')).toEqual([])
  expect(await jwt('"secret":"HS","jwks":"https://id.example/jwks"')).toEqual([
    'wrong-value "access.jwt" must have either "jwks" or "secret"',
  ])
  for (const url of ['http://id.example/jwks', 'file:///etc/passwd', 'https://user@id.example/', 'x']) {
    expect(await jwt(`"jwks":"${url}"`)).toEqual([expect.stringContaining('must be an https URL')])
  }
  for (const url of ['http://localhost:8080/jwks', 'http://keycloak:8080/jwks']) {
    expect(await jwt(`"jwks":"${url}"`)).toEqual([])
  }
  expect(await jwt('"secret":"HS","audiences":"a"')).toEqual([
    'unknown-field unknown field "audiences", did you mean "audience"?',
  ])
  expect(await problems('"cors":{"origins":"*","credentials":true}')).toEqual([
    expect.stringMatching(/^wrong-value "cors" must name its origins if it has credentials/),
  ])
  expect(await problems('"cors":{"origins":["https://app.example/"]}')).toEqual([
    'wrong-value "cors.origins[0]" must be an origin such as https://app.example.com',
  ])
  expect(await problems('"rate":"0/s"')).toHaveLength(1)
  expect(await problems('"domains":["API.example.com"]')).toHaveLength(1)
  expect(await problems('"rate":"100/s","domains":["api.example.com"],"cors":{"origins":"*"}')).toEqual([])
})

test('two functions serve one path at different host names', async () => {
  const entry = (name: string, fields: string) =>
    `{"name":"${name}","packageDir":"./hello","filePath":"./hello/main.ts",${fields}}`
  const problems = (...entries: string[]) => project.problemsOf(`{"deploy":[${entries.join(',')}]}`)
  const [a, b] = ['"domains":["a.example"],"route":"/x"', '"domains":["b.example"],"route":"/x"']
  expect(await problems(entry('a', a), entry('b', b), entry('c', '"route":"/x"'))).toEqual([])
  expect(await problems(entry('a', a), entry('b', a))).toEqual([expect.stringContaining('duplicate-route')])
  const whole = '"domains":["a.example"]'
  expect(await problems(entry('a', whole), entry('b', whole))).toEqual([expect.stringContaining('duplicate-route')])
})

test('something that is not an object, or holds no functions, is rejected', async () => {
  expect(await project.problemsOf('[]')).toEqual([expect.stringContaining('wrong-type')])
  expect(await project.problemsOf('{"deploy":[]}')).toHaveLength(1)
  expect(await project.problemsOf('{"deploy":"x"}')).toEqual(['1:11 wrong-type "deploy" must be a list'])
})

test('routes and methods of one file are told apart, and what cannot be served is refused where it is', async () => {
  const entry = (fields: string) => `    { "packageDir": "./hello", "filePath": "./hello/main.ts", ${fields} }`
  const file = (...entries: string[]) => `{ "deploy": [\n${entries.map(entry).join(',\n')}\n] }`
  const trigger = '"on": [{ "table": "t", "events": ["new-doc"] }]'
  const problems = await project.problemsOf(
    file(
      '"name": "a", "route": "/orders/:id", "methods": ["GET"]',
      '"name": "b", "route": "/orders/:key", "methods": ["PUT", "HEAD"]',
      '"name": "c", "route": "/orders/:id", "methods": ["DELETE"]',
      '"name": "d", "route": "/functions/x"',
      '"name": "e", "route": "orders"',
      '"name": "f", "route": "/:x/:x"',
      '"name": "g", "methods": ["get"]',
      `"name": "h", "route": "/h", ${trigger}`,
    ),
  )
  expect(problems).toEqual([
    '3:85 duplicate-route "b" and "a" have the same route and method',
    '5:85 wrong-value "route" must not begin with /functions, which the platform serves',
    '6:85 wrong-value "route" must be a path such as /orders, /orders/:id or /files/*',
    '7:85 wrong-value "route" must not name a parameter twice',
    expect.stringMatching(/^8:88 wrong-value "methods\[0\]" must be one of GET, /),
    '9:76 wrong-value "route" has no meaning for a trigger, which is not called by URL',
  ])
})

describe('instead of deploy.json', () => {
  const entry = `name: 'Hello', packageDir: './hello', filePath: './hello/main.ts'`

  test('a module is read as it stands, and its problems have places in it', async () => {
    const config = project.path('ryo-faas.config.ts')
    await writeFile(config, `const memoryMb = 64\nexport default defineConfig({ deploy: [{ ${entry}, memoryMb }] })`)
    expect(await readDeployFile(config, languages)).toMatchObject({
      kind: 'read',
      functions: [{ entry: { name: 'Hello', memoryMb: 64, packageDir: project.path('hello') } }],
    })
    await writeFile(config, `export default {\n  deploy: [{ ${entry}, memoryMB: 1, cpus: 'x' }],\n}`)
    const places = { line: 2, file: config }
    expect(await readDeployFile(config, languages)).toMatchObject({
      problems: [
        { ...places, column: 81, code: 'unknown-field' },
        { ...places, column: 100, code: 'wrong-type' },
      ],
    })
    await writeFile(config, `export default {\n  deploy: load(),\n}`)
    expect(await readDeployFile(config, languages)).toMatchObject({
      problems: [{ ...places, column: 11, code: 'not-static' }],
    })
  })

  test('so is a field of package.json', async () => {
    const manifest = project.path('package.json')
    const deploy = [{ name: 'Hello', packageDir: './hello', filePath: './hello/main.ts' }]
    await writeFile(manifest, JSON.stringify({ name: 'p', 'ryo-faas': { deploy } }))
    expect(await readDeployFile(manifest, languages)).toMatchObject({ functions: [{ entry: { name: 'Hello' } }] })
    await writeFile(manifest, JSON.stringify({ name: 'p' }))
    expect(await readDeployFile(manifest, languages)).toMatchObject({ problems: [{ code: 'missing-field' }] })
  })
})
