import type { Command, Context } from '../context.ts'

export const service: Command = {
  usage: 'service <action>',
  describe: 'Let systemd run the platform of this machine, also after a reboot: install, upgrade, uninstall, status',
  examples: [
    ['service install', 'as this user; root installs it for the whole machine'],
    ['service upgrade', 'this release takes over from the one that runs, with the same options'],
    ['service install --https 443 --http-redirect 80', 'with options of startFaas'],
  ],
  place: 'here',
  takesPlatformFlags: true,
  options: yargs =>
    yargs.positional('action', { choices: ['install', 'upgrade', 'uninstall', 'status'] as const, demandOption: true }),
  run: async (args, context) => {
    const action = args['action'] as Parameters<Context['service']>[0]
    const progress = context.output.progress(
      /install|upgrade/.test(action) ? 'starting the platform' : 'asking systemd',
    )
    const state = await context.service(action, args).finally(() => progress.stop())
    show(state, context)
  },
}

function show(state: Awaited<ReturnType<Context['service']>>, { output }: Context): void {
  output.value(state)
  const { path, isInstalled, isEnabled, isOfUser, notes } = state
  if (!isInstalled) output.line('not installed')
  else {
    const starts = isEnabled ? 'starts with the machine' : 'does not start with the machine'
    output.line(`${path} (${isOfUser ? 'of this user' : 'of the machine'}): ${state.state}, ${starts}`)
  }
  for (const note of notes) output.note(note)
}
