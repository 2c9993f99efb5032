/** How programs on this machine talk to the agent. */
export { AgentClient, type ApiInput, type ApiOutput, type CallName, type StreamName } from './agent-client.ts'
export { dashboardKey, dashboardUrl } from './dashboard-url.ts'
export { AgentFile, homeFrom, homePaths, readAgentFile } from './home.ts'
