// graphile-worker with the batching options of its own performance test (perfTest/graphile.config.js).
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import { PG_DSN, SEQUENTIAL, main, record } from './adapter.mjs'

const logger = new Logger(() => () => {})
const connectionString = PG_DSN
const batched = {
  concurrentJobs: 24,
  localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0
}
const oneAfterTheOther = { concurrentJobs: 1 }
const utils = () => makeWorkerUtils({ connectionString, preset: { worker: { logger } } })

await main({
  package: 'graphile-worker',
  settings: 'concurrentJobs=24, localQueue.size=500, completeJobBatchDelay=0, pool of 10; one at a time: concurrentJobs=1, no local queue',
  unfinished: 'select count(*) from graphile_worker._private_jobs',
  async setup () {
    const u = await utils()
    await u.migrate()
    await u.release()
  },
  async client () {
    const u = await utils()
    return {
      send: payload => u.addJob('noop', payload),
      sendMany: payloads => u.addJobs(payloads.map(payload => ({ identifier: 'noop', payload }))),
      close: () => u.release()
    }
  },
  async work () {
    const worker = { connectionString, maxPoolSize: 10, logger, ...(SEQUENTIAL ? oneAfterTheOther : batched) }
    await run({ preset: { worker }, taskList: { noop: async payload => { record(payload.sent) } } })
  }
})
