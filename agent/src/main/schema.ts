/** Prints the JSON schema of deploy.json; `npm run schema` keeps the extension's copy. */
import { deployFileJsonSchema } from '../contract/index.ts'

process.stdout.write(JSON.stringify(deployFileJsonSchema(), null, 2) + '\n')
