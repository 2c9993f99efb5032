import { expect, test, vi } from 'vitest'
import { deploymentView } from '../testing/views-of-platform.ts'
import { FakeEditor, FakeUri } from '../testing/fake-editor.ts'
import { readDeployFile } from '../project/deploy-file.ts'
import { warmOnEdit } from './warm-on-edit.ts'

const text = JSON.stringify({ deploy: [{ name: 'Hello', packageDir: './shop', filePath: './shop/hello.ts' }] })

test('typing in the package of a deployed function warms the checker, once in a while', () => {
  const editor = new FakeEditor()
  const warm = vi.fn(async () => undefined)
  let [now, isDeployed] = [0, false]
  warmOnEdit({
    editor: editor.api,
    projects: { all: [readDeployFile('/w/deploy.json', text)] },
    link: { isReady: true, deployment: () => (isDeployed ? deploymentView() : undefined) },
    deploys: { warm },
    now: () => now,
  })
  const helper = editor.open(FakeUri.file('/w/shop/helper.ts'), '')
  helper.type('a')
  expect(warm).not.toHaveBeenCalled()
  isDeployed = true
  editor.open(FakeUri.file('/w/shop-of-others/a.ts'), '').type('a')
  editor.open(FakeUri.from({ scheme: 'git', path: '/w/shop/helper.ts' }), '').type('a')
  helper.reload('by a checkout')
  expect(warm).not.toHaveBeenCalled()
  helper.type('b')
  helper.type('c')
  expect(warm.mock.calls).toEqual([['/w/deploy.json', 'Hello']])
  now = 11 * 60_000
  helper.type('d')
  expect(warm).toHaveBeenCalledTimes(2)
})
