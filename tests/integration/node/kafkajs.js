// kafkajs, with snappy from the plugin that its documentation names.
import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'
import { batches, fail, keyOf, main, obey, printRecord, say, valueOf } from './records.js'

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs
CompressionCodecs[CompressionTypes.Snappy] = snappy
const codecs = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy }
const client = address =>
  new Kafka({ brokers: [address], logLevel: logLevel.WARN, retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 60 } })

async function create(address, topic, numPartitions) {
  const admin = client(address).admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions }] })
  await admin.disconnect()
}

async function produce(address, topic, partitions, codec, first, count) {
  const producer = client(address).producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  let produced = 0
  for (const numbers of batches(first, count, 500)) {
    const messages = numbers.map(n => ({ partition: n % partitions, key: keyOf(n), value: valueOf(n), headers: { codec } }))
    await producer.send({ topic, compression: codecs[codec], messages })
    produced += numbers.length
  }
  await producer.disconnect()
  return produced
}

async function consume(address, topic, groupId) {
  const consumer = client(address).consumer({
    groupId, sessionTimeout: 10000, heartbeatInterval: 200, rebalanceTimeout: 10000, maxWaitTimeInMs: 100
  })
  const next = new Map()
  const commit = () =>
    consumer.commitOffsets([...next].map(([partition, offset]) => ({ topic, partition, offset })))
  consumer.on(consumer.events.GROUP_JOIN, event => {
    next.clear()
    say({ assigned: event.payload.memberAssignment[topic] ?? [] })
  })
  consumer.on(consumer.events.CRASH, event => event.payload.restart || fail(event.payload.error))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  obey({
    async commit() {
      await commit()
      say({ committed: true })
    },
    async leave() {
      await consumer.stop()
      await consumer.disconnect()
      say({ left: true })
      process.exit(0)
    }
  })
  // It commits after each batch by itself: eachBatch ends only when the batch is printed.
  await consumer.run({
    eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
      for (const m of batch.messages) {
        const headers = Object.fromEntries(Object.entries(m.headers).map(([name, value]) => [name, value.toString()]))
        printRecord(batch.partition, m.offset, m.key, m.value, headers)
        resolveOffset(m.offset)
        next.set(batch.partition, String(BigInt(m.offset) + 1n))
      }
      await heartbeat()
    }
  })
}

main({ codecs: Object.keys(codecs), create, produce, consume }).catch(fail)
