/** Names of ours in a database. */
/** Everything of ours lies in it; nothing else of the database is touched. */
export const SCHEMA = 'ryo_faas'
/** Key of the lock that whoever writes holds for its transaction ("ryo_faas"). */
export const WRITE_LOCK = 0x72796f5f66616173n
/** Other processes are told of commits here; see `news.ts`. */
export const CHANNEL = 'ryo_faas_log'
