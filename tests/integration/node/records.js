// The records of the scenario and the lines of its clients, for clients in JavaScript.
import { createInterface } from 'node:readline'

export const keyOf = n => `key-${n % 1000}`
export const valueOf = n => `record ${String(n).padStart(8, '0')} ` + '0123456789abcdef'.repeat(5)

export const say = what => process.stdout.write(JSON.stringify(what) + '\n')

export const printRecord = (p, o, k, v, h) =>
  say({ p, o: Number(o), k: k.toString(), v: v.toString(), h })

// Calls orders[word]() for each line of the standard input, one after the other.
export function obey(orders) {
  let last = Promise.resolve()
  createInterface({ input: process.stdin }).on('line', word => {
    last = last.then(() => orders[word.trim()]()).catch(fail)
  })
}

export function fail(error) {
  console.error(error)
  process.exit(1)
}

export async function main({ codecs, create, produce, consume }) {
  const [verb, ...rest] = process.argv.slice(2)
  if (verb === 'codecs') {
    say({ codecs })
  } else if (verb === 'create') {
    await create(rest[0], rest[1], Number(rest[2]))
    say({ created: true })
  } else if (verb === 'produce') {
    const [address, topic, partitions, codec, first, count] = rest
    say({ produced: await produce(address, topic, Number(partitions), codec, Number(first), Number(count)) })
  } else {
    await consume(...rest)
  }
}

// Batches of at most `size` of the numbers [first, first + count).
export function* batches(first, count, size) {
  for (let at = first; at < first + count; at += size) {
    yield Array.from({ length: Math.min(size, first + count - at) }, (_, i) => at + i)
  }
}
