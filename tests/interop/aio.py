"""aiokafka in the scenario of tests/harness/scenario.py."""
import asyncio
import pathlib
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import TopicPartition

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration/clients"))
from records import key_of, main, order, print_records, say, value_of  # noqa: E402

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


async def create_topic(address, topic, partitions):
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1)])
    await admin.close()


async def produce_records(address, topic, partitions, codec, first, count):
    async with AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True, linger_ms=5,
                                compression_type=None if codec == "none" else codec) as producer:
        sent = [await producer.send(topic, value_of(n).encode(), key_of(n).encode(), n % partitions,
                                    headers=[("codec", codec.encode())]) for n in range(first, first + count)]
        offsets = [(await future).offset for future in sent]
    return sum(offset == n // partitions for n, offset in enumerate(offsets, first))


class Listener(ConsumerRebalanceListener):
    def __init__(self, commit):
        self.commit = commit

    async def on_partitions_revoked(self, revoked):
        await self.commit()
        say(assigned=[])

    async def on_partitions_assigned(self, assigned):
        say(assigned=[p.partition for p in assigned])


async def consume_records(address, topic, group):
    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False,
                                auto_offset_reset="earliest", session_timeout_ms=10000,
                                heartbeat_interval_ms=500)
    places = {}

    async def commit():
        if places:
            try:
                await consumer.commit(dict(places))
            except (CommitFailedError, IllegalStateError):
                pass  # another member has the partitions now
        places.clear()

    await consumer.start()
    consumer.subscribe([topic], listener=Listener(commit))
    while True:
        batches = await consumer.getmany(timeout_ms=100, max_records=1000)
        records = [r for batch in batches.values() for r in batch]
        for r in records:
            places[TopicPartition(topic, r.partition)] = r.offset + 1
        print_records([(r.partition, r.offset, r.key, r.value, r.headers) for r in records])
        word = order()
        if word == "commit":
            await commit()
            say(committed=True)
        elif word == "leave":
            await commit()
            await consumer.stop()
            say(left=True)
            return


def create(*arguments):
    asyncio.run(create_topic(*arguments))


def produce(*arguments):
    return asyncio.run(produce_records(*arguments))


def consume(*arguments):
    asyncio.run(consume_records(*arguments))


if __name__ == "__main__":
    main(CODECS, create, produce, consume)
