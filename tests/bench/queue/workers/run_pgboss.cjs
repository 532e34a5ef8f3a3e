// pg-boss: `run_pgboss.cjs OPTIONS` (JSON: mode install|seed|work, connection, batch, loops, …).
// Packages are those of the working directory.
const { createRequire } = require('node:module')
const { Pacer } = require('./pacing.cjs')
const here = createRequire(process.cwd() + '/')
const { PgBoss } = here('pg-boss')

const options = JSON.parse(process.argv[2])
const pace = new Pacer()
const queue = 'noop'
const boss = new PgBoss({ ...options.connection, max: options.loops ? options.loops + 2 : 4, schedule: false })
boss.on('error', error => process.stderr.write(String(error) + '\n'))

async function work () {
  await pace.ready()
  const fetching = { batchSize: options.batch, ...options.fetch }
  const loop = async () => {
    while (!pace.stopped) {
      const jobs = await boss.fetch(queue, fetching)
      if (!jobs.length) { await new Promise(resolve => setTimeout(resolve, 50)); continue }
      await boss.complete(queue, jobs.map(job => job.id))
      pace.n += jobs.length
    }
  }
  await Promise.all(Array.from({ length: options.loops }, loop))
  pace.say({ done: pace.n })
}

async function main () {
  await boss.start()
  if (options.mode === 'install') {
    await boss.createQueue(queue, { partition: options.partition ?? false })
  } else if (options.mode === 'seed') {
    for (let n = 0; n < options.count; n += 10000) {
      const count = Math.min(10000, options.count - n)
      await boss.insert(queue, Array.from({ length: count }, (_, i) => ({ data: { n: n + i, path: options.payload } })))
    }
  } else {
    await work()
  }
  await boss.stop({ graceful: false, close: true })
  process.exit(0)
}

main().catch(error => { process.stderr.write(error.stack + '\n'); pace.say({ error: String(error) }); process.exit(1) })
