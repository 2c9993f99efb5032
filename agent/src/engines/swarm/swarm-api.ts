/** What Docker says about a swarm, as far as we read it: the types of the client leave it open. */
import { FUNCTION_PORT } from '@ryo-faas/runtime/protocol'

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
  Version?: { Index: number }
  Spec: { Name: string; Labels: Record<string, string> }
}

/** On a service: where its task is reached. Swarm itself forgets it. */
export const PORT_LABEL = 'ryo-faas.port'

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

/**
 * Lines of /etc/hosts with which functions reach the platform: on this machine, and where else an agent can lead, which
 * takes a manager. One of them serves; of several addresses programs take the first that answers.
 */
export function platformHosts(own: string, nodes: readonly SwarmNode[], name: string): string[] {
  const managers = nodes.filter(({ ManagerStatus }) => ManagerStatus !== undefined).map(addressOf)
  return [...new Set([own, ...managers.sort()])].map(address => `${address} ${name}`)
}

export function portOf({ Status: { PortStatus } }: SwarmTask): number | undefined {
  return PortStatus?.Ports?.find(({ TargetPort }) => TargetPort === FUNCTION_PORT)?.PublishedPort
}

/** As Swarm says it. */
export function portStatus(port: number): NonNullable<SwarmTask['Status']['PortStatus']> {
  return { Ports: [{ TargetPort: FUNCTION_PORT, PublishedPort: port }] }
}
