// How a load generator is led: see pacing.py.
const readline = require('node:readline')

class Pacer {
  constructor () {
    this.n = 0
    this.going = new Promise(resolve => { this._go = resolve })
    this.stopping = new Promise(resolve => { this._stop = resolve })
    this.stopped = false
  }

  say (facts) { process.stdout.write(JSON.stringify(facts) + '\n') }

  async ready () {
    const lines = readline.createInterface({ input: process.stdin })
    const stop = () => { this._go(); this.stopped = true; this._stop() }
    lines.on('line', line => {
      if (line === 'go') this._go()
      if (line === 'sample') this.say({ t: performance.now() / 1000, n: this.n })
      if (line === 'stop') stop()
    })
    lines.on('close', stop)
    this.say({ ready: true })
    await this.going
  }
}

const sleepUntil = async at => {
  const left = at - performance.now()
  if (left > 0) await new Promise(resolve => setTimeout(resolve, left))
}

module.exports = { Pacer, sleepUntil }
