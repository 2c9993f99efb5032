import { X509Certificate } from 'node:crypto'
import { symlink } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import { expect, test } from 'vitest'
import { problemsIn, useProject } from './deploy-file-testing.ts'
import type { DeploySettings } from './entry-settings.ts'

const project = useProject()

/** deploy.json with one function that has these fields, on its second line. */
const read = (fields: string, settings: DeploySettings = {}) =>
  project.read(`{"deploy":[\n{"name":"x","packageDir":"./hello","filePath":"./hello/main.ts",${fields}}]}`, settings)
const entryOf = async (fields: string, settings?: DeploySettings) => {
  const outcome = await read(fields, settings)
  if (outcome.kind !== 'read') throw new Error(JSON.stringify(outcome.problems))
  return outcome.functions[0]!
}
const envOf = async (fields: string, settings?: DeploySettings) => (await entryOf(fields, settings)).entry.env
const findings = async (fields: string, settings?: DeploySettings) => problemsIn(await read(fields, settings))

test('deploy.json wins over .env.local, that over .env, and packageDir over the folder of deploy.json', async () => {
  await project.write('.env', 'A=root\nB=root\nC=root\nD=root')
  await project.write('.env.local', 'B=local\nC=local\nD=local')
  await project.write('hello/.env', 'C="package" # why\nD=package')
  expect(await envOf('"env":{"D":"file"}')).toEqual({ A: 'root', B: 'local', C: 'package', D: 'file' })
})

test('variables come from the files, then from the client, then from the default; never from this process', async () => {
  await project.write('.env', 'HOST=db\nPORT=')
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
  await project.write('.env', 'A=all\nB=all')
  await project.write('.env.staging', 'B=staging\nT=t')
  const fields = '"env":{"C":"1"},"instances":1,"environments":{"staging":{"env":{"C":"${T}"},"instances":3},"live":{}}'
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
  await project.write('.env', 'a.b=1\nA=1')
  expect(await entryOf('"env":{}')).toMatchObject({
    entry: { env: { A: '1' } },
    notes: ['.env: "a.b" is not a name of a variable: left out'],
  })
  await symlink('/etc/hostname', project.path('hello/.env.local'))
  expect(await findings('"env":{}')).toEqual([
    '2:1 unreadable-file ".env.local" is a link to a file outside the folder of this file',
  ])
})

test('what to watch includes files that do not exist yet', async () => {
  expect((await entryOf('"env":{}')).watched).toEqual(
    ['.env', '.env.local', 'hello/.env', 'hello/.env.local'].map(project.path),
  )
})

test('certificates of an authority become part of the entry; a file without any is refused where it is named', async () => {
  const certificate = new X509Certificate(rootCertificates[0]!).toString()
  await project.write('company.pem', `# ours\n${certificate}`)
  await project.write('empty.pem', 'nothing')
  const text = (ca: string) =>
    `{"deploy":[{"name":"x","packageDir":"./hello","filePath":"./hello/main.ts","ca":"${ca}"}]}`
  expect(await project.read(text('company.pem'))).toMatchObject({ functions: [{ entry: { ca: certificate } }] })
  expect(await project.problemsOf(text('empty.pem'))).toEqual([
    '1:81 wrong-value the file "empty.pem" contains no certificate',
  ])
  expect(await project.problemsOf(text('/etc/hostname'))).toEqual([expect.stringContaining('1:81 path-outside')])
  expect(await project.problemsOf(text('absent.pem'))).toEqual([expect.stringContaining('1:81 missing-file')])
})
