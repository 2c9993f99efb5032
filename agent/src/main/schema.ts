/** Prints the JSON schema of deploy.json; `npm run schema` writes the extension's copy with it. */
import { deployFileJsonSchema } from '../contract/index.ts'

process.stdout.write(JSON.stringify(deployFileJsonSchema(), null, 2) + '\n')
