/** Who may do what, and who did: secrets, keys of callers, tokens of people, the audit log. */
import { z } from 'zod'
import { AuditView } from '../audit.ts'
import { KeyView } from '../caller-key.ts'
import { NamePattern, Role, TokenView } from '../token.ts'
import type { ApiRoute } from './api-route.ts'

export const ACCESS_API = {
  secrets: {
    method: 'GET',
    path: '/v1/secrets',
    needs: { role: 'deploy', scope: 'all' },
    response: z.object({ names: z.array(z.string()) }),
    summary: 'Names of the secrets that are set; values never leave the agent',
  },
  setSecret: {
    method: 'PUT',
    path: '/v1/secrets/:name',
    needs: { role: 'deploy', scope: 'all' },
    params: z.object({ name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
    body: z.object({ value: z.string().max(65_536).nullable().describe('null removes it') }),
    response: z.object({ name: z.string() }),
    summary: 'Set or remove a secret; functions get it with their next version',
  },
  keys: {
    method: 'GET',
    path: '/v1/keys',
    needs: { role: 'deploy', scope: 'all' },
    response: z.object({ keys: z.array(KeyView) }),
    summary: 'Keys of callers; the keys themselves are not kept',
  },
  createKey: {
    method: 'POST',
    path: '/v1/keys',
    needs: { role: 'deploy', scope: 'all' },
    body: z.object({
      name: z.string().min(1).max(100).describe('As its owner is called'),
      functions: z.array(z.string().min(1)).min(1).optional().describe('That it opens; default: all that take keys'),
      events: z.literal(true).optional().describe('It may post events'),
      expiresAt: z.iso.datetime().optional(),
    }),
    response: z.object({ key: z.string().describe('Shown this once'), view: KeyView }),
    isLong: true,
    summary: 'Create a key for calls of functions',
  },
  revokeKey: {
    method: 'DELETE',
    path: '/v1/keys/:id',
    needs: { role: 'deploy', scope: 'all' },
    params: z.object({ id: z.string().min(1).describe('Its id, or its name if no other key has it') }),
    response: KeyView.extend({
      notReached: z
        .array(z.string())
        .optional()
        .describe('Proxies on other machines that are lost and may take it until they are back; absent: none'),
    }),
    isLong: true,
    summary: 'Revoke a key; no proxy that the agent reaches takes it when this responds',
  },
  me: {
    method: 'GET',
    path: '/v1/me',
    needs: { role: 'read', scope: 'filtered' },
    response: z.object({
      kind: z.enum(['operator', 'token']),
      can: Role,
      token: TokenView.optional().describe('If it is one'),
    }),
    summary: 'Who the caller is, and what he may do',
  },
  tokens: {
    method: 'GET',
    path: '/v1/tokens',
    needs: { role: 'admin', scope: 'all' },
    response: z.object({ tokens: z.array(TokenView) }),
    summary: 'Tokens of people and programs; the tokens themselves are not kept',
  },
  createToken: {
    method: 'POST',
    path: '/v1/tokens',
    needs: { role: 'admin', scope: 'all' },
    body: z.object({
      name: z.string().min(1).max(100).describe('As its owner is called'),
      can: Role,
      for: z.array(NamePattern).min(1).optional().describe('Names of functions, * for any text; default: all'),
      expiresAt: z.iso.datetime().optional(),
    }),
    response: z.object({ token: z.string().describe('Shown this once'), view: TokenView }),
    summary: 'Create a token for this API',
  },
  revokeToken: {
    method: 'DELETE',
    path: '/v1/tokens/:id',
    needs: { role: 'admin', scope: 'all' },
    params: z.object({ id: z.string().min(1).describe('Its id, or its name if no other token has it') }),
    response: TokenView,
    summary: 'Revoke a token; it opens nothing when this responds',
  },
  audit: {
    method: 'GET',
    path: '/v1/audit',
    needs: { role: 'admin', scope: 'all' },
    query: z.object({
      since: z.iso.datetime().optional(),
      limit: z.coerce.number().int().min(1).max(10_000).default(100),
    }),
    response: z.object({ actions: z.array(AuditView) }),
    summary: 'What was done to this platform, by whom and from where; newest first',
  },
} as const satisfies Record<string, ApiRoute>
