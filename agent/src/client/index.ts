/** How programs on this machine talk to the agent, to the proxy about calls, and to the store. */
export { AgentClient, type ApiInput, type ApiOutput, type CallName, type StreamName } from './agent-client.ts'
export { buildWithAgent } from './build-with-agent.ts'
export { deployPackage, type BuiltPackages, type DeployPackageOptions, type UploadProgress } from './deploy-package.ts'
export { dashboardKey, dashboardUrl } from './dashboard-url.ts'
export { readAgentRecord } from './agent-record.ts'
export { AgentFile, readAgentFile } from './home.ts'
export { homeFrom, homePaths } from './home-paths.ts'
export { quickAnswers, quickStream } from './quick-answers.ts'
export { CallsClient } from './calls-client.ts'
export { proveListener } from './prove-listener.ts'
export { provenConnector } from './proven-connector.ts'
export { isHangingListener, ListenerClient, type Door } from './listener-client.ts'
export { browserAddress, chosenServer, connectTo, forwardFrom, type ChosenServer } from './server-connection.ts'
export { LOCAL, readServers, serverIn, ServerName, ServersFile, type Server, type SshServer } from './servers.ts'
export { quoted, type SshPlace } from './ssh.ts'
export { closeTunnel, runThere, type Forward } from './ssh-tunnel.ts'
export { PlatformErrorSchema } from './platform-error.ts'
export {
  StoreClient,
  StoreFailure,
  StoredDocument,
  docPath,
  docsPath,
  onlyOver,
  tablePath,
  type StoreRequest,
} from './store-client.ts'
