// @platformatic/kafka.
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'
import { batches, fail, keyOf, main, obey, printRecord, say, valueOf } from './records.js'

const base = address => ({ clientId: 'matrix', bootstrapBrokers: [address], retries: 60, retryDelay: 250 })

async function create(address, topic, partitions) {
  const admin = new Admin(base(address))
  await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
  await admin.close()
}

async function produce(address, topic, partitions, codec, first, count) {
  const producer = new Producer({ ...base(address), serializers: stringSerializers, idempotent: true, compression: codec })
  let produced = 0
  for (const numbers of batches(first, count, 500)) {
    await producer.send({
      messages: numbers.map(n => ({ topic, partition: n % partitions, key: keyOf(n), value: valueOf(n), headers: { codec } }))
    })
    produced += numbers.length
  }
  await producer.close()
  return produced
}

async function consume(address, topic, groupId) {
  const consumer = new Consumer({
    ...base(address), groupId, deserializers: stringDeserializers, autocommit: false,
    sessionTimeout: 10000, heartbeatInterval: 200, rebalanceTimeout: 10000, maxWaitTime: 100
  })
  const next = new Map()
  const commit = async () => {
    const offsets = [...next].map(([partition, offset]) => ({ topic, partition, offset, leaderEpoch: 0 }))
    if (offsets.length > 0) {
      await consumer.commit({ offsets })
    }
  }
  consumer.on('consumer:group:join', () => {
    next.clear()
    say({ assigned: (consumer.assignments ?? []).flatMap(a => a.partitions) })
  })
  const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
  stream.on('error', fail)
  stream.on('data', m => {
    printRecord(m.partition, m.offset, m.key, m.value, Object.fromEntries(m.headers))
    next.set(m.partition, m.offset + 1n)
  })
  obey({
    async commit() {
      await commit()
      say({ committed: true })
    },
    async leave() {
      await commit()
      await consumer.close(true)
      say({ left: true })
      process.exit(0)
    }
  })
}

main({ codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'], create, produce, consume }).catch(fail)
