/** Functions in Go: the language by its contract, what its checker says, and its runtime as an instance. */
import { fileURLToPath } from 'node:url'
import { GoLanguage } from '../../src/languages/go/go-language.ts'
import { languageContract } from '../../src/languages/testing/language-contract.ts'
import { GO_CACHE } from '../support/go-cache.ts'

const runtimeDir = fileURLToPath(new URL('../../../runtime', import.meta.url))
const environment = { ...process.env, GOCACHE: GO_CACHE }

const answering = (answer: string) => `package hello

import (
	"fmt"
	"net/http"
)

func Hello(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "${answer}") }
`

languageContract('go', {
  make: cacheDir => new GoLanguage({ runtimeDir, cacheDir, environment }),
  entry: 'hello.go',
  export: 'Hello',
  files: { 'go.mod': 'module example.com/hello\n\ngo 1.22\n', 'hello.go': answering('hello') },
  change: { 'hello.go': answering('other') },
  broken: { files: { 'hello.go': 'package hello\n\nfunc Hello(w int) {}\n' }, line: 3 },
})
