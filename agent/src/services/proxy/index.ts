/** The proxy: data plane for calls. `main.ts` is its process; the agent talks to that through `ProxyControl`. */
export { ProxyControl, type Demand } from './control/proxy-control.ts'
export { createProxy, type Proxy } from './proxy.ts'
export { fineBucketUpperMs } from './metrics/function-metrics.ts'
export { failuresOf, type FunctionCounts, type FunctionStats, type ProxyStats } from './metrics/summary.ts'
export { CertificateFolders } from './front/certificates.ts'
export { MainOptions, type FrontInput } from './options.ts'
export { isNetwork } from './access/trusted-peers.ts'
