/** Several agents of one platform: which one leads, and what it hands on. */
export { Contents, type Content } from './contents.ts'
export { Lease, type LeaseState } from './lease.ts'
export { Members } from './members.ts'
export { connectPeer, PeerDoor } from './peer-door.ts'
export { newClusterKey, Seal } from './seal.ts'
export { SharedFolders } from './shared-folders.ts'
export { leaderLost, SharedRecord } from './shared-record.ts'
