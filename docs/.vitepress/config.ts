import { defineConfig } from 'vitepress'
import { extendMarkdown } from './markdown.ts'

export default defineConfig({
  title: 'ryo-faas',
  description: 'Run your own functions: TypeScript handlers in their own containers, on your machine, offline.',
  lang: 'en',
  // Works from a folder of any web server; `DOCS_BASE=/ryo-faas/` if the site is not at its root.
  base: process.env['DOCS_BASE'] ?? '/',
  cleanUrls: true,
  srcExclude: ['generate/**', 'blocks/**'],
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: `${process.env['DOCS_BASE'] ?? '/'}icon.svg` }]],
  markdown: { config: extendMarkdown, theme: { light: 'github-light', dark: 'github-dark' } },
  themeConfig: {
    logo: '/icon.svg',
    search: { provider: 'local' },
    outline: { level: [2, 3] },
    externalLinkIcon: true,
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'Guides', link: '/guide/handlers', activeMatch: '/guide/' },
      { text: 'Reference', link: '/reference/deploy-json', activeMatch: '/reference/' },
      { text: 'Troubleshooting', link: '/troubleshooting' },
    ],
    sidebar: [
      {
        text: 'Begin',
        items: [
          { text: 'Start in five minutes', link: '/start' },
          { text: 'Tutorial', link: '/tutorial' },
          { text: 'What it is not', link: '/limits' },
          { text: 'Compared with others', link: '/comparison' },
        ],
      },
      {
        text: 'Write',
        items: [
          { text: 'Functions', link: '/guide/handlers' },
          { text: 'Go', link: '/guide/go' },
          { text: 'Python', link: '/guide/python' },
          { text: 'Code of other platforms', link: '/guide/dialects' },
          { text: 'Packages and files', link: '/guide/packages' },
          { text: 'Asynchronous calls', link: '/guide/async' },
          { text: 'The store', link: '/guide/store' },
          { text: 'The store on PostgreSQL', link: '/guide/postgres' },
          { text: 'NATS', link: '/guide/nats' },
          { text: 'Triggers', link: '/guide/triggers' },
          { text: 'Events', link: '/guide/events' },
          { text: 'Schedules', link: '/guide/schedules' },
          { text: 'Scaling and sleep', link: '/guide/scaling' },
          { text: 'Services', link: '/guide/services' },
          { text: 'Databases', link: '/guide/databases' },
          { text: 'Where settings are', link: '/guide/settings' },
          { text: 'Variables and secrets', link: '/guide/secrets' },
        ],
      },
      {
        text: 'Work',
        items: [
          { text: 'VS Code', link: '/guide/editor' },
          { text: 'Testing', link: '/guide/testing' },
          { text: 'Debugging', link: '/guide/debugging' },
          { text: 'Continuous integration', link: '/guide/ci' },
          { text: 'Build once, deploy anywhere', link: '/guide/artefacts' },
        ],
      },
      {
        text: 'Run',
        items: [
          { text: 'Traces and metrics', link: '/guide/monitoring' },
          { text: 'Your own server', link: '/guide/server' },
          { text: 'Backup and restore', link: '/guide/backup' },
          { text: 'Several machines', link: '/guide/swarm' },
          { text: 'Kubernetes', link: '/guide/kubernetes' },
          { text: 'Who may call', link: '/guide/access' },
          { text: 'Authentication', link: '/guide/auth' },
          { text: 'Several platforms', link: '/guide/platforms' },
          { text: 'Upgrades and versions', link: '/upgrades' },
          { text: 'Security', link: '/security' },
        ],
      },
      {
        text: 'Reference',
        items: [
          { text: 'deploy.json', link: '/reference/deploy-json' },
          { text: 'Command line', link: '/reference/command-line' },
          { text: 'Options', link: '/reference/options' },
          { text: 'Runtime API', link: '/reference/runtime' },
          { text: 'What callers get', link: '/reference/responses' },
          { text: 'Calls API', link: '/reference/calls-api' },
          { text: 'Store API', link: '/reference/store-api' },
          { text: 'Agent API', link: '/reference/agent-api' },
          { text: 'The contract of a function', link: '/reference/contract' },
          { text: 'Metrics', link: '/reference/metrics' },
          { text: 'Error codes', link: '/reference/errors' },
          { text: 'Messages of the checker', link: '/reference/checks' },
        ],
      },
      {
        text: 'More',
        items: [
          { text: 'Troubleshooting', link: '/troubleshooting' },
          { text: 'How it works', link: '/how-it-works' },
          { text: 'Proofs', link: '/proofs' },
        ],
      },
    ],
  },
})
