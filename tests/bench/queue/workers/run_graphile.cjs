// Graphile Worker: `run_graphile.cjs OPTIONS` (JSON: mode install|seed|work|add|latency, connection, preset, …).
// Packages are those of the working directory.
const { createRequire } = require('node:module')
const { Pacer, sleepUntil } = require('./pacing.cjs')
const here = createRequire(process.cwd() + '/')
const { Logger, run, makeWorkerUtils, runMigrations } = here('graphile-worker')
const { Pool } = here('pg')

const options = JSON.parse(process.argv[2])
const pace = new Pacer()
const preset = { worker: { ...options.preset, preparedStatements: true } }
const logger = new Logger(() => (level, message) => { if (level === 'error') process.stderr.write(message + '\n') })
const pool = new Pool({ ...options.connection, max: (options.preset?.maxPoolSize ?? 10) + 2 })
const payload = n => ({ n, path: options.payload })

async function add (utils, from, count) {
  const jobs = []
  for (let n = from; n < from + count; n++) jobs.push({ identifier: 'noop', payload: payload(n) })
  await utils.addJobs(jobs)
}

async function work () {
  await pace.ready()
  const runner = await run({ pgPool: pool, preset, logger, noHandleSignals: true, taskList: { noop: () => { pace.n++ } } })
  await pace.stopping
  await runner.stop()
  pace.say({ done: pace.n })
}

async function latency (utils) {
  const sent = new Map(); const took = []
  const taskList = {
    noop: ({ n }) => {
      if (sent.has(n)) took.push(performance.now() - sent.get(n))
    }
  }
  const runner = await run({ pgPool: pool, preset, logger, noHandleSignals: true, taskList })
  await utils.addJob('noop', payload(-1))
  await pace.ready()
  const start = performance.now(); const sending = []
  for (let n = 0; ; n++) {
    await sleepUntil(start + n * 1000 / options.rate)
    if (pace.stopped) break
    sent.set(n, performance.now())
    sending.push(utils.addJob('noop', payload(n)))
  }
  await Promise.all(sending)
  const end = performance.now() + 10000
  while (took.length < sent.size && performance.now() < end) await sleepUntil(performance.now() + 10)
  await runner.stop()
  pace.say({ done: took.length, sent: sent.size, latencies_ms: took })
}

async function main () {
  if (options.mode === 'install') {
    await runMigrations({ pgPool: pool, preset, logger })
  } else if (options.mode === 'work') {
    await work()
  } else {
    const utils = await makeWorkerUtils({ pgPool: pool, preset, logger })
    if (options.mode === 'seed') {
      for (let n = 0; n < options.count; n += 10000) await add(utils, n, Math.min(10000, options.count - n))
    } else if (options.mode === 'add') {
      await add(utils, 0, options.size)
      await pace.ready()
      while (!pace.stopped) {
        await add(utils, pace.n, options.size)
        pace.n += options.size
      }
      pace.say({ done: pace.n })
    } else {
      await latency(utils)
    }
    await utils.release()
  }
  await pool.end().catch(() => {})
  process.exit(0)
}

main().catch(error => { process.stderr.write(error.stack + '\n'); pace.say({ error: String(error) }); process.exit(1) })
