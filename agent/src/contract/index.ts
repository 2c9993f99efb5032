/** The contract between the agent and its clients. One schema serves types, validation, client and docs. */
export {
  ACCESS_TOKEN_PREFIX,
  answerProof,
  hashOf,
  isProof,
  isSameSecret,
  newNonce,
  PROOF_PATH,
  proofIn,
  proofOf,
  tokenIdIn,
  UNKNOWN,
  type Challenge,
} from './access.ts'
export { AccessRule, Cors, Domain, JwtRule, RateLimit, rateLimitOf } from './access-rule.ts'
export { AuditView } from './audit.ts'
export type { DockerThere, MachineFinding } from './docker-there.ts'
export type { ExportedFunctions, ExportRequest } from './export.ts'
export { KeyView } from './caller-key.ts'
export { ERRORS, type ErrorCode } from './error-table.ts'
export { ErrorBody } from './error-body.ts'
export { RyoFaasError, type ErrorDetails } from './errors.ts'
export { Problem } from './problem.ts'
export { formatProblem } from './format-problem.ts'
export { nearMatch } from './near-match.ts'
export { plainIssue } from './plain-issue.ts'
export { CallAnswer, CallAttempt, CallError, CallPage, CallStatus, CallView } from './call.ts'
export { CONFIG_FILES, PACKAGE_FIELD } from './config-files.ts'
export {
  AsyncPolicy,
  DeployEntry,
  DeployFile,
  DeploymentKind,
  deployFileJsonSchema,
  EnvironmentOverrides,
  kindOf,
} from './deploy-file.ts'
export {
  answeredMethods,
  HttpMethod,
  isOwnPath,
  paramNames,
  patternOf,
  shapeOf,
  sharingRoute,
  UrlRoute,
} from './url-route.ts'
export { EnvironmentName } from './environment-name.ts'
export { namedVariables, withVariables } from './variables.ts'
export { BootFacts } from './boot-facts.ts'
export { BundleFacts } from './bundle-facts.ts'
export { DeploymentState, DeploymentView, InstanceView, VersionView } from './deployment.ts'
export type { ScheduleLine } from './trigger.ts'
export { ClockOption, ClockView } from './clock.ts'
export { Schedule, scheduleKey } from './schedule.ts'
export { ServedHandlers, ServedTrigger } from './served.ts'
export {
  DocumentTrigger,
  EventTrigger,
  handledBy,
  NatsTrigger,
  StartFrom,
  Trigger,
  TRIGGER_KINDS,
  triggerSecrets,
  TriggerStart,
  TriggerView,
  type HandledEvents,
  type TriggerKind,
  type TriggerSourceKind,
} from './trigger.ts'
export { triggerLabel } from './trigger-label.ts'
export { CertificateView } from './certificate.ts'
export {
  ClusterView,
  ENGINE_CAPABILITIES,
  EngineKind,
  Isolation,
  type EngineCapability,
  PartView,
  PlatformPhase,
  PlatformView,
  ResourceView,
  type FurtherProxy,
  type ServiceState,
} from './platform.ts'
export {
  Attributes,
  SpanEvent,
  SpanKind,
  SpanLink,
  SpanView,
  TracePage,
  TraceQuery,
  TraceSummary,
  TraceView,
} from './traces.ts'
export { spanTree, type TreeSpan } from './span-tree.ts'
export { FunctionPoint, MetricsHistory, MetricsHistoryQuery, PlatformPoint } from './metrics-history.ts'
export {
  BuildEvent,
  type BuildProgress,
  CallCount,
  DebugPaths,
  type DebugProtocol,
  DeployEvent,
  DeployStep,
  LogLine,
  PlatformEvent,
} from './events.ts'
export { LogPlace } from './log-place.ts'
export {
  BuiltFunction,
  codeHashOf,
  digestOf,
  MachineCode,
  manifestText,
  MAX_PACKAGE_BYTES,
  MAX_PACKAGE_FILES,
  PackagedDeploy,
  PackagedFunction,
  PackageFile,
  PackageManifest,
  projectOf,
  Sha256,
} from './package.ts'
export { API, type Api, type ApiName, type ApiRoute } from './api/index.ts'
export { dockerfileBase, dockerfileOf, hostBase, hostPathsOf, placeInImage, SCRATCH_BASE } from './run-base.ts'
export { compareNumbers, compareVersions } from './release.ts'
export { Scale } from './scale.ts'
export { isFor, mayDo, NamePattern, Role, ROLES, TokenView, type Grant, type Need } from './token.ts'
