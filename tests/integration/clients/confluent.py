"""confluent-kafka-python, over librdkafka."""
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from records import key_of, main, order, print_records, say, value_of

TOPIC_TIMEOUT = 30
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def create(address, topic, partitions):
    admin = AdminClient({"bootstrap.servers": address})  # must live until the answer
    made = admin.create_topics([NewTopic(topic, partitions, 1)])
    made[topic].result(TOPIC_TIMEOUT)


def produce(address, topic, partitions, codec, first, count):
    producer = Producer({"bootstrap.servers": address, "compression.type": codec, "linger.ms": 5,
                         "enable.idempotence": True, "queue.buffering.max.messages": 1_000_000})
    delivered = []

    def on_delivery(error, message):
        if error is None and message.offset() * partitions + message.partition() == int(message.value()[7:15]):
            delivered.append(message.offset())

    for n in range(first, first + count):
        producer.produce(topic, value_of(n), key_of(n), n % partitions, headers={"codec": codec},
                         on_delivery=on_delivery)
        producer.poll(0)
    producer.flush(TOPIC_TIMEOUT)
    return len(delivered)


def consume(address, topic, group):
    consumer = Consumer({"bootstrap.servers": address, "group.id": group, "enable.auto.commit": False,
                         "auto.offset.reset": "earliest", "session.timeout.ms": 10000, "heartbeat.interval.ms": 200})
    next_offsets = {}

    def commit():
        places = [TopicPartition(topic, p, o) for p, o in next_offsets.items()]
        if places:
            consumer.commit(offsets=places, asynchronous=False)

    def on_assign(_, partitions):
        say(assigned=[p.partition for p in partitions])

    def on_revoke(*_):
        commit()
        next_offsets.clear()
        say(assigned=[])

    consumer.subscribe([topic], on_assign=on_assign, on_revoke=on_revoke)
    while True:
        messages = [m for m in consumer.consume(1000, 0.1) if m.error() is None]
        for m in messages:
            next_offsets[m.partition()] = m.offset() + 1
        print_records([(m.partition(), m.offset(), m.key(), m.value(), m.headers()) for m in messages])
        word = order()
        if word == "commit":
            commit()
            say(committed=True)
        elif word == "leave":
            commit()
            next_offsets.clear()
            consumer.close()
            say(left=True)
            return


if __name__ == "__main__":
    main(CODECS, create, produce, consume)
