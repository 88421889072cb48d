// The counterpart of adapter.py for Node; the commands of an adapter are described there.
import fs from 'node:fs'

export const PG_DSN = process.env.BENCH_PG_DSN
export const SEQUENTIAL = process.env.BENCH_MODE === 'seq'

const now = () => Number(process.hrtime.bigint()) / 1e9
const entry = Buffer.alloc(16)
let file

// All that a handler does.
export function record (sent) {
  file ??= fs.openSync(process.env.BENCH_LOG, 'a')
  entry.writeDoubleLE(sent, 0)
  entry.writeDoubleLE(now(), 8)
  fs.writeSync(file, entry)
}

const payload = (number, sent) => ({
  recipient_name: `Ada Lovelace ${String(number).padStart(6, '0')}`,
  recipient_interest: 'analytical engines, Bernoulli numbers, the poetical science of machines, weaving looms',
  campaign: 'spring-newsletter',
  i: number,
  sent
})

const jobs = (count, first = 0) => Array.from({ length: count }, (_, k) => payload(first + k, first + k))

function stopwatch () {
  const began = now()
  const cpu = process.cpuUsage()
  return {
    began,
    read: () => {
      const used = process.cpuUsage(cpu)
      return { seconds: now() - began, cpu_seconds: (used.user + used.system) / 1e6 }
    }
  }
}

async function enqueue (client, count) {
  const all = jobs(count)
  const watch = stopwatch()
  for (const job of all) await client.send(job)
  return watch.read()
}

async function bulk (client, count, size, first) {
  const all = jobs(count, first)
  const watch = stopwatch()
  for (let k = 0; k < count; k += size) await client.sendMany(all.slice(k, k + size))
  return watch.read()
}

async function latency (client, count, interval) {
  const watch = stopwatch()
  for (let k = 0; k < count; k++) {
    const wait = (watch.began + k * interval - now()) * 1000
    if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait))
    await client.send(payload(k, interval ? now() : 0))
  }
  return watch.read()
}

async function withClient (peer, act, args) {
  const client = await peer.client()
  const answer = await act(client, ...args)
  await client.close()
  return answer
}

const version = name => JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version
const info = ({ package: name, settings, unfinished }) => ({ settings, unfinished, version: version(name) })

// peer: package, settings, unfinished; setup(), client() -> { send, sendMany, close }, work()
export async function main (peer) {
  const [command, ...rest] = process.argv.slice(2)
  if (command === 'work') return peer.work()
  const acts = { enqueue, bulk, latency }
  const answer = command === 'info'
    ? info(peer)
    : command === 'setup' ? await peer.setup() : await withClient(peer, acts[command], rest.map(Number))
  console.log('RESULT ' + JSON.stringify(answer ?? null))
  process.exit(0)
}
