// pg-boss in batches, woken by LISTEN/NOTIFY. One at a time it takes batches of two, which its handler works off in their
// order: with batches of one there is no burst, and each job would wait for a poll, 0.5 s at least.
import { PgBoss } from 'pg-boss'
import { PG_DSN, SEQUENTIAL, main, record } from './adapter.mjs'

const QUEUE = 'noop'

async function boss (options = {}) {
  const b = new PgBoss({ connectionString: PG_DSN, max: 10, useListenNotify: true, ...options })
  b.on('error', error => console.error(error))
  await b.start()
  return b
}

await main({
  package: 'pg-boss',
  settings: 'batchSize=500, burstWhenBatchFull, localConcurrency=2, LISTEN/NOTIFY, polling 0.5 s (its minimum); one at a time: batchSize=2, localConcurrency=1',
  unfinished: `select count(*) from pgboss.job where name = '${QUEUE}' and state < 'completed'`,
  async setup () {
    const b = await boss()
    await b.createQueue(QUEUE, { notify: true })
    await b.stop({ graceful: false })
  },
  async client () {
    const b = await boss({ supervise: false, schedule: false })
    return {
      send: payload => b.send(QUEUE, payload),
      sendMany: payloads => b.insert(QUEUE, payloads.map(data => ({ data }))),
      close: () => b.stop({ graceful: false })
    }
  },
  async work () {
    const b = await boss()
    const many = SEQUENTIAL ? { batchSize: 2, localConcurrency: 1 } : { batchSize: 500, localConcurrency: 2 }
    const polling = { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 }
    await b.work(QUEUE, { ...many, ...polling, burstWhenBatchFull: true }, async jobs => {
      for (const job of jobs) record(job.data.sent)
    })
  }
})
