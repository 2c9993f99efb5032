/** What Docker says about a swarm, as far as we read it: the types of the client leave it open. */
export interface SwarmTask {
  ID: string
  ServiceID: string
  NodeID?: string
  CreatedAt: string
  DesiredState: string
  Spec: {
    ContainerSpec: { Labels?: Record<string, string>; Hosts?: string[] }
    Resources?: { Limits?: { MemoryBytes?: number } }
  }
  Status: {
    Timestamp: string
    State: string
    Err?: string
    Message?: string
    ContainerStatus?: { ContainerID?: string; PID?: number; ExitCode?: number }
    PortStatus?: { Ports?: { TargetPort: number; PublishedPort: number }[] }
  }
}

/** Of a machine that is about to leave: its instances serve until others do. */
export const LEAVING_LABEL = 'ryo-faas.leaving'

export interface SwarmNode {
  ID: string
  Description: { Hostname: string }
  Spec?: { Labels?: Record<string, string> }
  Status: { State: string; Addr: string }
  ManagerStatus?: { Addr: string }
}

export interface SwarmService {
  ID: string
  CreatedAt: string
  Spec: { Name: string; Labels: Record<string, string> }
}

/** Of `docker info`. */
export interface SwarmInfo {
  Swarm?: { NodeID: string; NodeAddr: string; LocalNodeState: string; ControlAvailable: boolean }
}

export function isLeaving(node: SwarmNode | undefined): boolean {
  return node?.Spec?.Labels?.[LEAVING_LABEL] !== undefined
}

/** A manager may say of itself that it is anywhere. */
export function addressOf({ Status, ManagerStatus }: SwarmNode): string {
  const isKnown = !['', '0.0.0.0', '::', '127.0.0.1'].includes(Status.Addr)
  return isKnown ? Status.Addr : (ManagerStatus?.Addr.replace(/:\d+$/, '').replace(/^\[|\]$/g, '') ?? Status.Addr)
}
