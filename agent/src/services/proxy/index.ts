/** The proxy: data plane for calls. `main.ts` is its process; the agent talks to that through `ProxyControl`. */
export { ProxyControl, ProxyControlError, type ProxyControlOptions } from './control-client.ts'
export { MainOptions, ProxyOptions, type ProxyInput } from './options.ts'
export { createProxy, type Proxy } from './proxy.ts'
export { Route, RouteInstance, RouteTable } from './route-table.ts'
export { fineBucketUpperMs } from './function-metrics.ts'
export { failuresOf, type FunctionCounts, type FunctionStats, type ProxyStats } from './summary.ts'
export { StaleTableError } from './table-keeper.ts'
export { proxyPart, proxyPaths, type AsyncSettings, type ProxyPartOptions } from './proxy-part.ts'
