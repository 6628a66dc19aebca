"""Less obvious rules for Produce: answers, sizes, duplicates, sequences, fencing."""
import struct
import time

import confluent_kafka

from broker import Broker, wait_until
from wire import Cut, LATEST, Wire, make_batch, records_of

NONE, CORRUPT, UNKNOWN_TOPIC, TOO_LARGE = 0, 2, 3, 10
INVALID_REQUIRED_ACKS, INVALID_TIMESTAMP, UNSUPPORTED_VERSION = 21, 32, 35
OUT_OF_ORDER_SEQUENCE, INVALID_PRODUCER_EPOCH, UNSUPPORTED_COMPRESSION, INVALID_RECORD = 45, 47, 76, 87


def new_producer(wire):
    answer = wire.ask("InitProducerId", 4, transaction_timeout_ms=60_000)
    assert answer.error_code == NONE, answer
    return answer.producer_id, answer.producer_epoch


def numbered(producer, epoch, sequence, count=1):
    values = [b"%d" % (sequence + n) for n in range(count)]
    return make_batch(values, producer=producer, epoch=epoch, sequence=sequence)


def test_acks_0_gets_no_answer_and_the_connection_stays_usable():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t")
        wire.produce("t", make_batch([b"a", b"b"]), acks=0)
        assert wire.silent(0.3)
        wait_until(lambda: wire.list_offset("t", LATEST).offset == 2, 10, "the batch to be there")


def test_acks_0_to_an_unknown_topic_closes_the_connection():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.produce("none", make_batch([b"a"]), acks=0)
        try:
            wire.read_frame()
        except Cut:
            return
        raise AssertionError("an answer to acks=0")


def test_acks_other_than_0_1_and_all_are_refused():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        assert wire.produce("t", make_batch([b"a"]), acks=2).error_code == INVALID_REQUIRED_ACKS
        for acks in (1, -1):
            assert wire.produce("t", make_batch([b"a"]), acks=acks).error_code == NONE


def test_a_batch_of_10_mb_is_answered_with_message_too_large():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t")
        for size in (1_048_600, 10 << 20):
            answer = wire.produce("t", make_batch([b"x" * size]))
            assert answer.error_code == TOO_LARGE and answer.base_offset == -1, answer
        assert wire.produce("t", make_batch([b"x"])).base_offset == 0


def test_message_max_bytes_counts_the_whole_batch():
    with Broker() as broker, Wire(broker.port) as wire:
        batch = make_batch([b"x" * 5000])
        wire.create("fits", max_message_bytes=len(batch))
        wire.create("small", max_message_bytes=len(batch) - 1)
        assert wire.produce("fits", batch).error_code == NONE
        assert wire.produce("small", batch).error_code == TOO_LARGE


def test_a_duplicate_gets_the_original_offset_and_adds_nothing():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t", 4)
        for partition in range(4):
            producer, epoch = new_producer(wire)
            batches = [numbered(producer, epoch, n * 3, 3) for n in range(5)]
            for n, batch in enumerate(batches):
                assert wire.produce("t", batch, partition).base_offset == n * 3
            for n in (4, 0, 2, 2):
                answer = wire.produce("t", batches[n], partition)
                assert (answer.error_code, answer.base_offset) == (NONE, n * 3), answer
            assert wire.list_offset("t", LATEST, partition).offset == 15


def test_a_duplicate_is_recognized_after_a_crash_and_after_a_stop():
    with Broker(shards=2) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", 2)
            producer, epoch = new_producer(wire)
            batches = [numbered(producer, epoch, n, 1) for n in range(7)]
            for n, batch in enumerate(batches):
                assert wire.produce("t", batch, 1).base_offset == n
        for kill in (True, False):
            broker.restart(kill=kill)
            with Wire(broker.port) as wire:
                for n in range(2, 7):
                    answer = wire.produce("t", batches[n], 1)
                    assert (answer.error_code, answer.base_offset) == (NONE, n), answer
                assert wire.produce("t", numbered(producer, epoch, 9), 1).error_code == OUT_OF_ORDER_SEQUENCE
                assert wire.list_offset("t", LATEST, 1).offset == 7
                assert new_producer(wire)[0] != producer
        with Wire(broker.port) as wire:
            assert wire.produce("t", numbered(producer, epoch, 7), 1).base_offset == 7


def test_a_gap_in_the_sequence_is_refused_until_it_is_filled():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        producer, epoch = new_producer(wire)
        assert wire.produce("t", numbered(producer, epoch, 0, 2)).base_offset == 0
        assert wire.produce("t", numbered(producer, epoch, 4)).error_code == OUT_OF_ORDER_SEQUENCE
        assert wire.produce("t", numbered(producer, epoch, 2, 2)).base_offset == 2
        assert wire.produce("t", numbered(producer, epoch, 4)).base_offset == 4


def test_an_unknown_producer_may_begin_with_any_sequence():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t", 2)
        producer, epoch = new_producer(wire)
        assert wire.produce("t", numbered(producer, epoch, 41)).base_offset == 0
        assert wire.produce("t", numbered(producer, epoch, 42)).base_offset == 1
        assert wire.produce("t", numbered(987_654, 3, 7), 1).base_offset == 0
        assert wire.produce("t", numbered(987_654, 3, 7), 1).base_offset == 0
        assert wire.produce("t", numbered(987_654, 3, 9), 1).error_code == OUT_OF_ORDER_SEQUENCE


def test_the_sequence_wraps_to_zero():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        producer, epoch = new_producer(wire)
        last = 2**31 - 1
        assert wire.produce("t", numbered(producer, epoch, last - 1, 2)).base_offset == 0
        assert wire.produce("t", numbered(producer, epoch, 0, 2)).base_offset == 2
        assert wire.produce("t", numbered(producer, epoch, last - 1, 2)).base_offset == 0


def test_an_older_epoch_is_fenced_and_a_newer_one_begins_at_zero():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        producer, epoch = new_producer(wire)
        assert wire.produce("t", numbered(producer, epoch, 0)).error_code == NONE
        newer = epoch + 1  # idempotent producers without a transactional id raise it themselves
        assert wire.produce("t", numbered(producer, newer, 1)).error_code == OUT_OF_ORDER_SEQUENCE
        assert wire.produce("t", numbered(producer, newer, 0)).base_offset == 1
        assert wire.produce("t", numbered(producer, epoch, 1)).error_code == INVALID_PRODUCER_EPOCH


def test_init_producer_id_with_half_an_identity_is_invalid():
    with Broker() as broker, Wire(broker.port) as wire:
        for producer, epoch in ((5, -1), (-1, 0)):
            answer = wire.ask("InitProducerId", 4, transaction_timeout_ms=60_000, producer_id=producer,
                              producer_epoch=epoch)
            assert answer.error_code == 42, answer


def test_damaged_batches_are_refused_and_nothing_is_kept():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        batch = make_batch([b"abc"])
        crc = bytearray(batch)
        crc[-2] ^= 1
        assert wire.produce("t", bytes(crc)).error_code == CORRUPT
        assert wire.produce("t", batch + batch).error_code == INVALID_RECORD
        assert wire.produce("t", b"").error_code == INVALID_RECORD
        assert wire.list_offset("t", LATEST).offset == 0


def test_zstd_needs_produce_v7_and_fetch_v10():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        batch = make_batch([b"a" * 100] * 3, codec=4)
        assert wire.produce("t", batch, version=6).error_code == UNSUPPORTED_COMPRESSION
        assert wire.produce("t", batch, version=7).error_code == NONE
        assert wire.fetch("t", version=9).error_code == UNSUPPORTED_COMPRESSION
        assert len(records_of(wire.fetch("t", version=10).records)) == 3


def test_log_append_time_is_the_brokers_time():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t", message_timestamp_type="LogAppendTime")
        for codec in range(5):
            before = int(time.time() * 1000)
            answer = wire.produce("t", make_batch([b"a", b"b"], codec=codec))
            after = int(time.time() * 1000)
            assert before - 1 <= answer.log_append_time_ms <= after + 1
            records = records_of(wire.fetch("t", answer.base_offset).records)
            assert [r.timestamp for r in records] == [answer.log_append_time_ms] * 2
            assert {r.timestamp_type for r in records} == {1}
        wire.create("own")
        assert wire.produce("own", make_batch([b"a"])).log_append_time_ms == -1


def test_a_timestamp_too_far_in_the_future_is_refused():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        tomorrow = int(time.time() * 1000) + 86_400_000
        assert wire.produce("t", make_batch([b"a"], [tomorrow])).error_code == INVALID_TIMESTAMP
        wire.create("any", message_timestamp_after_max_ms=2**63 - 1)
        assert wire.produce("any", make_batch([b"a"], [tomorrow])).error_code == NONE


def test_one_bad_partition_does_not_affect_the_others():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t", 4)
        batch = make_batch([b"a"])
        answer = wire.ask("Produce", 8, acks=-1, timeout_ms=1000, topic_data=[
            {"name": "t", "partition_data": [{"index": p, "records": batch} for p in (0, 9, 3)]},
            {"name": "none", "partition_data": [{"index": 0, "records": batch}]}])
        found = {(t.name, p.index): p.error_code for t in answer.responses for p in t.partition_responses}
        assert found == {("t", 0): 0, ("t", 3): 0, ("t", 9): UNKNOWN_TOPIC, ("none", 0): UNKNOWN_TOPIC}


def test_a_hundred_requests_in_flight_are_answered_in_order():
    """The requests are of mixed kinds and go to all shards. Correlation ids show the order of the answers."""
    for shards in (1, 4):
        with Broker(shards=shards) as broker, Wire(broker.port) as wire:
            wire.create("t", 8)
            for n in range(100):
                batch = make_batch([b"%d" % n])
                wire.send("Produce", 8, acks=-1, timeout_ms=1000, topic_data=[
                    {"name": "t", "partition_data": [{"index": n % 8, "records": batch}]}])
                if n % 10 == 3:
                    wire.send("Metadata", 9, topics=[{"name": "t"}])
                if n % 10 == 7:
                    wire.send_fetch("t", 0, partition=n % 8, wait_ms=20, min_bytes=1 << 20)
                if n % 10 == 9:
                    wire.send("ApiVersions", 0)
            offsets = {}
            while wire.asked:
                answer = wire.receive()
                if hasattr(answer, "responses") and hasattr(answer.responses[0], "partition_responses"):
                    part = answer.responses[0].partition_responses[0]
                    assert part.error_code == NONE
                    assert part.base_offset == offsets.get(part.index, 0)
                    offsets[part.index] = part.base_offset + 1
            assert sum(offsets.values()) == 100


def test_a_client_that_never_asks_for_versions_is_served():
    """Like old versions of sarama: Metadata 5, Produce 5, ListOffsets 1, Fetch 7, OffsetCommit 3."""
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("old", version=2)
        assert wire.metadata("old", version=5).topics[0].error_code == NONE
        assert wire.produce("old", make_batch([b"a"]), version=5).base_offset == 0
        assert wire.list_offset("old", LATEST, version=1).offset == 1
        assert len(records_of(wire.fetch("old", version=7).records)) == 1
        answer = wire.ask("OffsetCommit", 3, group_id="g", member_id="", topics=[
            {"name": "old", "partitions": [{"partition_index": 0, "committed_offset": 1}]}])
        assert answer.topics[0].partitions[0].error_code == NONE


def test_versions_are_answered_as_clients_expect():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.send_frame(struct.pack(">hhih", 18, 77, 5, 1) + b"x" + b"\0what ever follows")
        data = wire.read_frame()
        correlation, error, count = struct.unpack_from(">ihi", data)
        assert (correlation, error) == (5, UNSUPPORTED_VERSION) and len(data) == 10 + 6 * count
        ranges = {key: (low, high) for key, low, high in struct.iter_unpack(">hhh", data[10:])}
        assert ranges[18] == (0, 4)
        for version in range(5):
            answer = wire.ask("ApiVersions", version, client_software_name="some-client",
                              client_software_version="1.0")
            assert {a.api_key: (a.min_version, a.max_version) for a in answer.api_keys} == ranges


def test_a_software_name_with_a_blank_is_invalid_and_a_later_valid_one_works():
    with Broker() as broker, Wire(broker.port) as wire:
        for name, error in (("some client", 42), ("-x", 42), ("some.client-1", 0)):
            answer = wire.ask("ApiVersions", 3, client_software_name=name, client_software_version="1.0")
            assert answer.error_code == error, (name, answer.error_code)


def test_unsupported_versions_close_the_connection():
    with Broker() as broker:
        for key, version in ((0, 2), (0, 12), (1, 3), (4, 0), (999, 0), (3, 99), (3, -1)):
            with Wire(broker.port) as wire:
                wire.send_frame(struct.pack(">hhih", key, version, 1, 0) + b"\0" * 40)
                try:
                    raise AssertionError(f"answered {key} v{version}: {wire.read_frame()!r}")
                except Cut:
                    pass


def test_a_producer_with_too_large_messages_gets_an_error():
    with Broker() as broker:
        failed = []
        producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "message.max.bytes": 5_000_000})
        with Wire(broker.port) as wire:
            wire.create("t")
        producer.produce("t", b"x" * 4_000_000, on_delivery=lambda error, _: failed.append(error))
        assert producer.flush(20) == 0
        assert failed[0].code() == confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE
