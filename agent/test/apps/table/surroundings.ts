/** What is around a function: variables, time zones, the network of a container. */
import { web, type App } from '../app.ts'

export const SURROUNDINGS: App[] = [
  {
    name: '.env and .env.local',
    files: {
      '.env': 'FIRST=from .env\nSECOND=from .env\n',
      '.env.local': 'SECOND=from .env.local\n',
      'hello.ts': web(
        `[process.env.FIRST, process.env.SECOND, process.env.THIRD, existsSync('.env')].join('|')`,
        `import { existsSync } from 'node:fs'`,
      ),
    },
    deploy: [{ name: 'hello', env: { THIRD: 'with ${FIRST}' } }],
    calls: [{ answer: 'from .env|from .env.local|with from .env|false' }],
  },
  {
    name: 'time zones and languages in a container',
    engine: 'docker',
    files: {
      'hello.ts': web(
        `new Intl.DateTimeFormat('de', { timeZone: 'Asia/Tokyo', month: 'long', hour: 'numeric' }).format(new Date(0))`,
      ),
    },
    calls: [{ answer: /Januar.*9/ }],
  },
  {
    name: "a company's certificate in a container",
    engine: 'docker',
    beside: 'secure.mjs',
    files: {
      'secure.mjs': `import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
const files = { cert: readFileSync(process.env.CERTIFICATE), key: readFileSync(process.env.KEY) }
const server = createServer(files, (request, response) => response.end('ok'))
server.listen(0, () => console.log(JSON.stringify({ SECURE_URL: 'https://host.docker.internal:' + server.address().port })))
`,
      'hello.ts': web(`await (await fetch(process.env.SECURE_URL!)).text()`),
    },
  },
]
