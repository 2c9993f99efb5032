import { X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLanguages, Languages } from '../languages/index.ts'
import { SHELL } from '../languages/testing/shell-language.ts'
import { readDeployFile } from './read-deploy-file.ts'

const languages = createLanguages({ runtimeDir: '', cacheDir: '', environment: {} })

let folder: string
let file: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-deploy-file-'))
  file = join(folder, 'deploy.json')
  await mkdir(join(folder, 'hello'))
  await writeFile(join(folder, 'hello', 'main.ts'), 'export {}')
})
afterEach(() => rm(folder, { recursive: true }))

async function problemsOf(text: string): Promise<string[]> {
  await writeFile(file, text)
  const outcome = await readDeployFile(file, languages)
  if (outcome.kind !== 'rejected') throw new Error('the file was accepted')
  return outcome.problems.map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`)
}

test('comments and trailing commas are fine, and paths come out absolute with defaults filled in', async () => {
  await writeFile(
    file,
    `{ // one
    "deploy": [ { "name": "Hello", "packageDir": "./hello", "filePath": "./hello/main.ts", }, ],
  }`,
  )
  expect(await readDeployFile(file, languages)).toMatchObject({
    kind: 'read',
    functions: [
      {
        entry: {
          ...{ name: 'Hello', packageDir: join(folder, 'hello'), filePath: join(folder, 'hello/main.ts') },
          timeoutMs: 30_000,
        },
        language: { name: 'node' },
      },
    ],
  })
})

test('a missing file says how to get one', async () => {
  expect(await readDeployFile(file, languages)).toMatchObject({
    kind: 'rejected',
    problems: [{ code: 'missing-file', hint: expect.stringContaining('init') }],
  })
})

test('a syntax error is reported where it is', async () => {
  expect(await problemsOf('{\n  "deploy": [ nope ]\n}')).toEqual(
    expect.arrayContaining([expect.stringMatching(/^2:15 syntax/)]),
  )
  expect(await problemsOf('')).toHaveLength(1)
})

test('all problems of a file are reported at once, in the order of the file', async () => {
  const problems = await problemsOf(`{
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
  await writeFile(file, JSON.stringify({ deploy: [{ name: 'A', packageDir: 'hello', filePath: 'hello/main.ts', on }] }))
  expect(await readDeployFile(file, languages)).toMatchObject({ kind: 'read', functions: [{ entry: { on } }] })
})

test('an unknown kind of trigger is a problem that names the known ones', async () => {
  const problems = await problemsOf(`{
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
  await symlink('/etc', join(folder, 'hello', 'link'))
  await writeFile(join(folder, 'deploy.json'), '')
  expect(
    await problemsOf('{"deploy":[{"name":"x","packageDir":"./hello","filePath":"./hello/link/hostname"}]}'),
  ).toEqual([expect.stringContaining('path-outside')])
})

test('an unknown language is reported with the known ones, and an unknown extension with the known extensions', async () => {
  await writeFile(join(folder, 'hello', 'main.rb'), '')
  const text = (fields: string) => `{"deploy":[{"name":"x","packageDir":"./hello",${fields}}]}`
  const hintsOf = async (fields: string) => {
    await writeFile(file, text(fields))
    const outcome = await readDeployFile(file, languages)
    return outcome.kind === 'rejected' ? outcome.problems.map(({ hint }) => hint) : []
  }
  const misspelt = '"filePath":"./hello/main.ts","language":"Nodee"'
  expect(await problemsOf(text(misspelt))).toEqual([
    '1:87 unknown-language unknown language "Nodee", did you mean "node"?',
  ])
  expect(await hintsOf(misspelt)).toEqual(['Known: node, go, python, command'])
  const unclaimed = '"filePath":"./hello/main.rb"'
  expect(await problemsOf(text(unclaimed))).toEqual([
    '1:58 unknown-language "./hello/main.rb" has an unknown file extension',
  ])
  expect(await hintsOf(unclaimed)).toEqual([
    expect.stringMatching(/^Known extensions: \.ts .*\.jsx \(node\), \.go \(go\), \.py \(python\)$/),
  ])
  // If the path is wrong, only that is reported.
  expect(await problemsOf(text('"filePath":"./hello/absent.rb"'))).toEqual([expect.stringMatching(/missing-file/)])
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
    await writeFile(file, text(`${module},"node":"${value}"`))
    expect([value, (await readDeployFile(file, languages)).kind]).toEqual([value, isRight ? 'read' : 'rejected'])
  }
  expect(await problemsOf(text(`${module},"node":"18"`))).toEqual([
    '1:83 wrong-value "node" must be a version of Node from 20 on, such as "22" or "22.12.0"',
  ])
  await writeFile(join(folder, 'hello', 'main.sh'), '')
  await writeFile(file, text('"filePath":"./hello/main.sh","memoryMb":64,"node":"22"'))
  const node = languages.named('node')
  expect(await readDeployFile(file, new Languages([node, SHELL]))).toMatchObject({
    kind: 'rejected',
    problems: [{ code: 'wrong-value', column: 90, message: '"node" has no meaning for a function in shell' }],
  })
})

test('a named language takes precedence over the extension', async () => {
  await writeFile(join(folder, 'hello', 'main.txt'), '')
  await writeFile(
    file,
    '{"deploy":[{"name":"x","packageDir":"./hello","filePath":"./hello/main.txt","language":"node"}]}',
  )
  expect(await readDeployFile(file, languages)).toMatchObject({
    kind: 'read',
    functions: [{ entry: { language: 'node' }, language: { name: 'node' } }],
  })
})

/** None, if the file is accepted. */
const problemsIn = (text: string): Promise<string[]> =>
  problemsOf(text).catch((error: Error) => {
    if (error.message === 'the file was accepted') return []
    throw error
  })

test('a rule on access, or on pages, that would let in more than was meant is refused where it is', async () => {
  const problems = async (fields: string) => {
    const found = await problemsIn(
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
  const problems = (...entries: string[]) => problemsIn(`{"deploy":[${entries.join(',')}]}`)
  const [a, b] = ['"domains":["a.example"],"route":"/x"', '"domains":["b.example"],"route":"/x"']
  expect(await problems(entry('a', a), entry('b', b), entry('c', '"route":"/x"'))).toEqual([])
  expect(await problems(entry('a', a), entry('b', a))).toEqual([expect.stringContaining('duplicate-route')])
  const whole = '"domains":["a.example"]'
  expect(await problems(entry('a', whole), entry('b', whole))).toEqual([expect.stringContaining('duplicate-route')])
})

test('something that is not an object, or holds no functions, is rejected', async () => {
  expect(await problemsOf('[]')).toEqual([expect.stringContaining('wrong-type')])
  expect(await problemsOf('{"deploy":[]}')).toHaveLength(1)
  expect(await problemsOf('{"deploy":"x"}')).toEqual(['1:11 wrong-type "deploy" must be a list'])
})

test('routes and methods of one file are told apart, and what cannot be served is refused where it is', async () => {
  const entry = (fields: string) => `    { "packageDir": "./hello", "filePath": "./hello/main.ts", ${fields} }`
  const file = (...entries: string[]) => `{ "deploy": [\n${entries.map(entry).join(',\n')}\n] }`
  const trigger = '"on": [{ "table": "t", "events": ["new-doc"] }]'
  const problems = await problemsOf(
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

describe('settings', () => {
  const functions = async (fields: string, settings: Parameters<typeof readDeployFile>[2] = {}) => {
    await writeFile(file, `{"deploy":[\n{"name":"x","packageDir":"./hello","filePath":"./hello/main.ts",${fields}}]}`)
    return readDeployFile(file, languages, settings)
  }
  const entryOf = async (...asked: Parameters<typeof functions>) => {
    const outcome = await functions(...asked)
    if (outcome.kind !== 'read') throw new Error(JSON.stringify(outcome.problems))
    return outcome.functions[0]!
  }
  const envOf = async (...asked: Parameters<typeof functions>) => (await entryOf(...asked)).entry.env
  const findings = async (...asked: Parameters<typeof functions>) => {
    const outcome = await functions(...asked)
    return outcome.kind === 'read'
      ? []
      : outcome.problems.map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`)
  }
  const write = (path: string, text: string) => writeFile(join(folder, path), text)

  test('deploy.json wins over .env.local, that over .env, and packageDir over the folder of deploy.json', async () => {
    await write('.env', 'A=root\nB=root\nC=root\nD=root')
    await write('.env.local', 'B=local\nC=local\nD=local')
    await write('hello/.env', 'C="package" # why\nD=package')
    expect(await envOf('"env":{"D":"file"}')).toEqual({ A: 'root', B: 'local', C: 'package', D: 'file' })
  })

  test('variables come from the files, then from the client, then from the default; never from this process', async () => {
    await write('.env', 'HOST=db\nPORT=')
    const env = '"env":{"URL":"pg://${HOST}:${PORT:-5432}/${NAME:-app}?u=${WHO}","LITERAL":"$${HOST} ${not one}"}'
    expect(await envOf(env, { variables: { WHO: 'me', HOST: 'other' } })).toMatchObject({
      URL: 'pg://db:5432/app?u=me',
      LITERAL: '${HOST} ${not one}',
    })
    expect(await findings('"env":{"A":"1","B":"${PATH}"}')).toEqual([
      '2:84 missing-variable "B" needs the variable PATH, which is not set',
    ])
  })

  test('an environment has its own files and overrides, and one that nothing knows is refused', async () => {
    await write('.env', 'A=all\nB=all')
    await write('.env.staging', 'B=staging\nT=t')
    const fields =
      '"env":{"C":"1"},"instances":1,"environments":{"staging":{"env":{"C":"${T}"},"instances":3},"live":{}}'
    const { entry } = await entryOf(fields, { environment: 'staging' })
    expect(entry).toMatchObject({ instances: 3, memoryMb: 256, env: { A: 'all', B: 'staging', C: 't' } })
    expect(entry).not.toHaveProperty('environments')
    expect(await entryOf(fields, { environment: 'live' })).toMatchObject({ entry: { instances: 1 } })
    expect((await entryOf(fields)).entry.env).toEqual({ A: 'all', B: 'all', C: '1' })
    expect(await findings(fields, { environment: 'prod' })).toEqual([
      '1:11 unknown-environment the environment "prod" is unknown: no entry has it in "environments", and there is no .env.prod',
    ])
    expect(await findings('"environments":{"staging":{"instanses":3}}')).toEqual([
      '2:92 unknown-field unknown field "instanses", did you mean "instances"?',
    ])
  })

  test('a number and a range of instances exclude each other, and an environment may have the other one', async () => {
    const fields = '"instances":2,"environments":{"live":{"scale":{"max":4}}}'
    expect(await entryOf(fields, { environment: 'live' })).toMatchObject({ entry: { scale: { min: 0, max: 4 } } })
    expect((await entryOf(fields, { environment: 'live' })).entry).not.toHaveProperty('instances')
    expect(await findings('"instances":2,"scale":{}')).toEqual([
      expect.stringContaining('wrong-value "instances" is a fixed number and "scale" lets it change'),
    ])
    expect(await findings('"scale":{"min":3,"max":2}')).toEqual([
      expect.stringContaining('wrong-value "scale" must not have a "min" above its "max"'),
    ])
    expect(await findings('"scale":{"idelMs":300}')).toEqual([
      expect.stringContaining('unknown-field unknown field "idelMs", did you mean "idleMs"?'),
    ])
  })

  test('a link to variables outside the project is refused, and names that cannot be variables are left out', async () => {
    await write('.env', 'a.b=1\nA=1')
    expect(await entryOf('"env":{}')).toMatchObject({
      entry: { env: { A: '1' } },
      notes: ['.env: "a.b" is not a name of a variable: left out'],
    })
    await symlink('/etc/hostname', join(folder, 'hello', '.env.local'))
    expect(await findings('"env":{}')).toEqual([
      '2:1 unreadable-file ".env.local" is a link to a file outside the folder of this file',
    ])
  })

  test('what to watch includes files that do not exist yet', async () => {
    expect((await entryOf('"env":{}')).watched).toEqual(
      ['.env', '.env.local', 'hello/.env', 'hello/.env.local'].map(path => join(folder, path)),
    )
  })
})

describe('instead of deploy.json', () => {
  const entry = `name: 'Hello', packageDir: './hello', filePath: './hello/main.ts'`

  test('a module is read as it stands, and its problems have places in it', async () => {
    const config = join(folder, 'ryo-faas.config.ts')
    await writeFile(config, `const memoryMb = 64\nexport default defineConfig({ deploy: [{ ${entry}, memoryMb }] })`)
    expect(await readDeployFile(config, languages)).toMatchObject({
      kind: 'read',
      functions: [{ entry: { name: 'Hello', memoryMb: 64, packageDir: join(folder, 'hello') } }],
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
    const manifest = join(folder, 'package.json')
    const deploy = [{ name: 'Hello', packageDir: './hello', filePath: './hello/main.ts' }]
    await writeFile(manifest, JSON.stringify({ name: 'p', 'ryo-faas': { deploy } }))
    expect(await readDeployFile(manifest, languages)).toMatchObject({ functions: [{ entry: { name: 'Hello' } }] })
    await writeFile(manifest, JSON.stringify({ name: 'p' }))
    expect(await readDeployFile(manifest, languages)).toMatchObject({ problems: [{ code: 'missing-field' }] })
  })
})

test('certificates of an authority become part of the entry; a file without any is refused where it is named', async () => {
  const certificate = new X509Certificate(rootCertificates[0]!).toString()
  await writeFile(join(folder, 'company.pem'), `# ours\n${certificate}`)
  await writeFile(join(folder, 'empty.pem'), 'nothing')
  const text = (ca: string) =>
    `{"deploy":[{"name":"x","packageDir":"./hello","filePath":"./hello/main.ts","ca":"${ca}"}]}`
  await writeFile(file, text('company.pem'))
  expect(await readDeployFile(file, languages)).toMatchObject({ functions: [{ entry: { ca: certificate } }] })
  expect(await problemsOf(text('empty.pem'))).toEqual(['1:81 wrong-value the file "empty.pem" contains no certificate'])
  expect(await problemsOf(text('/etc/hostname'))).toEqual([expect.stringContaining('1:81 path-outside')])
  expect(await problemsOf(text('absent.pem'))).toEqual([expect.stringContaining('1:81 missing-file')])
})
