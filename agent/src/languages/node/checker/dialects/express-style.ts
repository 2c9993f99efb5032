/** Handlers that want Express' request and response, or what other platforms made after their model. */
import { ts } from 'ts-morph'
import { problemAt } from '../findings.ts'
import type { Candidate, Dialect, Recognized } from './dialect.ts'
import { isDeclaredBy, nameOfType } from './origins.ts'

export const EXPRESS = 'express'
export const FRAMEWORK = '@google-cloud/functions-framework'

export const vercelFunction: Dialect = {
  name: 'Vercel function or Next.js API route',
  adapters: ['vercel'],
  recognize(candidate) {
    const first = firstType(candidate)
    if (first === undefined) return undefined
    if (isDeclaredBy(first, '@vercel/node') && /^(?:Vercel|Now)Request$/.test(nameOfType(first) ?? '')) {
      return vercel('Vercel function')
    }
    return isDeclaredBy(first, 'next') && nameOfType(first) === 'NextApiRequest'
      ? vercel('Next.js API route')
      : undefined
  },
}

export const googleFunction: Dialect = {
  name: 'Google Cloud function',
  adapters: ['functionsFramework'],
  recognize(candidate) {
    const first = firstType(candidate)
    const declared = nameOfType(candidate.type) ?? ''
    const isHttp = first !== undefined && isDeclaredBy(first, FRAMEWORK) && nameOfType(first) === 'Request'
    const isOfFramework = isDeclaredBy(candidate.type, FRAMEWORK)
    const isEvent =
      (isOfFramework && declared.startsWith('CloudEventFunction')) ||
      (first !== undefined && isDeclaredBy(first, 'cloudevents'))
    if (isHttp || isEvent) {
      if (candidate.isInstalled(FRAMEWORK)) return framework({ signature: isHttp ? 'http' : 'cloudEvent' })
      return problemAt(candidate.node, {
        code: 'wrong-parameters',
        message: `"${candidate.name}" is a function for functions-framework, which is not installed`,
        hint: `Run: npm install ${FRAMEWORK}`,
      })
    }
    if (!isOfFramework || !declared.startsWith('EventFunction')) return undefined
    return problemAt(candidate.node, {
      code: 'wrong-parameters',
      message: `"${candidate.name}" takes a legacy event of Google Cloud, which nothing here sends`,
      hint: 'Make it a CloudEventFunction or an HttpFunction',
    })
  },
}

/** What Firebase's SDK makes of a handler: only Firebase can run it. */
export const firebaseFunction: Dialect = {
  name: 'Firebase function',
  adapters: [],
  recognize(candidate) {
    const first = firstType(candidate)
    const isFirebase = [candidate.type, first].some(type => type && isDeclaredBy(type, 'firebase-functions'))
    if (!isFirebase) return undefined
    return problemAt(candidate.node, {
      code: 'wrong-parameters',
      message: `"${candidate.name}" is a function of Firebase, which is not supported`,
      hint: 'Export the handler itself instead of what onRequest makes of it: it may take the Request and Response of Express',
    })
  },
}

/** A handler or a router; an app is recognized before. */
export const expressFunction: Dialect = {
  name: 'Express handler',
  adapters: ['expressHandler'],
  recognize(candidate) {
    const first = firstType(candidate)
    const isExpress =
      first !== undefined &&
      isDeclaredBy(first, EXPRESS, 'express-serve-static-core') &&
      ['Request', 'Response'].includes(nameOfType(first) ?? '')
    if (!isExpress) return undefined
    if (candidate.isInstalled(EXPRESS)) return expressHandler()
    return problemAt(candidate.node, {
      code: 'wrong-parameters',
      message: `"${candidate.name}" takes the request and the response of Express, which is not installed`,
      hint: 'Install express, or export the app instead: export const app = express()',
    })
  },
}

export function vercel(form: string): Recognized {
  return { form, adapter: { name: 'vercel' } }
}

export function expressHandler(): Recognized {
  return { form: 'Express handler', adapter: { name: 'expressHandler', packages: [EXPRESS] } }
}

/** @param options how it is registered: by us, or under a name by the module itself */
export function framework(options: { signature: 'http' | 'cloudEvent' } | { target: string }): Recognized {
  return {
    form: 'Google Cloud function',
    adapter: { name: 'functionsFramework', options, packages: [FRAMEWORK, `${FRAMEWORK}/testing`] },
  }
}

function firstType({ shapes }: Candidate): ts.Type | undefined {
  return shapes[0]?.parameters[0]?.type
}
