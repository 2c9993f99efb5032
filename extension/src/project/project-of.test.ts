import { expect, test } from 'vitest'
import { deploymentView } from '../testing/views-of-platform.ts'
import { located, projectNameOf } from './project-of.ts'

const projects = [
  { file: '/w/other/deploy.json', entries: [{ name: 'Hello', filePath: '/w/other/src/hello.ts' }] },
  { file: '/w/shop/deploy.json', entries: [{ name: 'Hello', filePath: '/w/shop/src/hello.ts' }] },
]
const built = deploymentView({ project: 'shop', filePath: 'src/hello.ts' })

test('what was built here for a server has its files of the workspace', () => {
  const here = located(built, { projects, server: 'prod' })
  expect(here).toMatchObject({ filePath: '/w/shop/src/hello.ts', deployFile: '/w/shop/deploy.json' })
  expect(projectNameOf(here)).toBe('shop')
  // As an artefact on this machine, too.
  expect(located(built, { projects, server: undefined }).filePath).toBe('/w/shop/src/hello.ts')
})

test('a file of a server is never taken for one of this machine, whatever its path is', () => {
  const elsewhere = deploymentView({ filePath: '/w/shop/src/hello.ts', deployFile: '/w/shop/deploy.json' })
  expect(located(elsewhere, { projects, server: 'prod' })).toMatchObject({
    filePath: 'prod:/w/shop/src/hello.ts',
    deployFile: 'prod:/w/shop/deploy.json',
  })
  expect(located(elsewhere, { projects, server: undefined })).toBe(elsewhere)
  const ofNobody = { ...built, project: 'blog' }
  expect(located(ofNobody, { projects, server: 'prod' }).filePath).toBe('prod:src/hello.ts')
  expect(located({ ...built, filePath: '../other/src/hello.ts' }, { projects, server: 'prod' }).filePath).toMatch(
    /^prod:/,
  )
})
