"""kafka-python."""
from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import CommitFailedError
from kafka.structs import OffsetAndMetadata, TopicPartition

from records import key_of, main, order, print_records, say, value_of

SECONDS = 60
# It reads with Fetch v4, and zstd may be sent only to clients of v10 or later.
CODECS = ["none", "gzip", "snappy", "lz4"]


def create(address, topic, partitions):
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic(topic, partitions, 1)])
    admin.close()


def produce(address, topic, partitions, codec, first, count):
    # One request at a time: this client retries without idempotence, so more could change the order.
    producer = KafkaProducer(bootstrap_servers=address, acks="all", linger_ms=5, retries=5,
                             compression_type=None if codec == "none" else codec,
                             max_in_flight_requests_per_connection=1)
    sent = [producer.send(topic, value_of(n).encode(), key_of(n).encode(), [("codec", codec.encode())],
                          n % partitions) for n in range(first, first + count)]
    producer.flush(SECONDS)
    offsets = [future.get(SECONDS).offset for future in sent]
    producer.close()
    return sum(offset == n // partitions for n, offset in enumerate(offsets, first))


class Listener(ConsumerRebalanceListener):
    def __init__(self, commit):
        self.commit = commit

    def on_partitions_revoked(self, revoked):
        self.commit()
        say(assigned=[])

    def on_partitions_assigned(self, assigned):
        say(assigned=[p.partition for p in assigned])


def consume(address, topic, group):
    consumer = KafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False,
                             auto_offset_reset="earliest", session_timeout_ms=10000,
                             heartbeat_interval_ms=500, metadata_max_age_ms=5000)
    next_offsets = {}

    def commit():
        if next_offsets:
            places = {TopicPartition(topic, p): OffsetAndMetadata(o, "") for p, o in next_offsets.items()}
            try:
                consumer.commit(places)
            except CommitFailedError:
                pass  # another member has the partitions now
        next_offsets.clear()

    consumer.subscribe([topic], listener=Listener(commit))
    while True:
        records = [r for batch in consumer.poll(100, max_records=1000).values() for r in batch]
        for r in records:
            next_offsets[r.partition] = r.offset + 1
        print_records([(r.partition, r.offset, r.key, r.value, r.headers) for r in records])
        word = order()
        if word == "commit":
            commit()
            say(committed=True)
        elif word == "leave":
            commit()
            consumer.close(autocommit=False)
            say(left=True)
            return


if __name__ == "__main__":
    main(CODECS, create, produce, consume)
