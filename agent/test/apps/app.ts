/** An application as a user would bring it: what it depends on, its files, and what it must answer. */

export interface App {
  /** What the filter of the command line looks for. */
  name: string
  engine?: 'docker' | 'process'
  /** Functions run on the Node of the machine, which also installs packages, not on the one that is brought. */
  onMachinesNode?: boolean
  /** Cheap, and without packages of its own: part of every run of the tests. */
  isSample?: boolean
  dependencies?: Record<string, string>
  /** Further fields of package.json. */
  manifest?: Record<string, unknown>
  files: Record<string, string>
  /** Entries of deploy.json, in place of one for `hello` of `./hello.ts`. */
  deploy?: DeployEntry[]
  /** Folder of deploy.json. */
  root?: string
  install?: Install
  /** Programs to run after the installation, in the folder of the app. */
  build?: string[][]
  /** A module that runs beside the functions; it prints their variables as JSON when it is ready. */
  beside?: string
  /**
   * A module that runs the same application in the runtime it was written for, on this machine; it prints `{ "url" }`
   * as JSON when it listens. Each call must have the same answer there, below `/functions/<name>` here.
   */
  peer?: string
  /** What the deploy must say on the way. */
  notes?: RegExp
  /** The app cannot work, and the deploy says so with the reason and the way out. */
  refused?: RegExp
  calls?: Call[]
}

export interface DeployEntry {
  name: string
  packageDir?: string
  filePath?: string
  [field: string]: unknown
}

export interface Install {
  manager?: 'npm' | 'pnpm' | 'yarn' | 'berry' | 'bun'
  /** Only the lock file is there, as after a clone. */
  lockOnly?: boolean
  /** The scripts of its packages run: it compiles machine code. */
  scripts?: boolean
}

export interface Call {
  /** After the address of the proxy. */
  path?: string
  method?: string
  headers?: Record<string, string>
  body?: string
  status?: number
  /** The whole body, or a pattern in it. */
  answer: string | RegExp
}

/** A handler in the style of the web that answers the expression. */
export const web = (expression: string, head = ''): string =>
  `${head}\nexport async function hello(request: Request): Promise<Response> {\n  return new Response(String(${expression}))\n}\n`
