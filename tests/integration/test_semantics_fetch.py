"""Less obvious rules for Fetch and ListOffsets: limits, sessions, waiting, timestamps."""
import subprocess
import threading
import time

import confluent_kafka

from broker import Broker
from wire import EARLIEST, LATEST, MAX_TIMESTAMP, NO_UUID, Wire, make_batch, records_of

NONE, OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC, INVALID_REQUEST, UNSUPPORTED_VERSION = 0, 1, 3, 42, 35
LONG_WAIT_MS = 120_000  # longer than the wire waits for an answer
SESSION_NOT_FOUND, INVALID_SESSION_EPOCH, FENCED_EPOCH, UNKNOWN_EPOCH, UNKNOWN_TOPIC_ID = 70, 71, 74, 75, 100


def part(topic, partition, offset=0):
    return {"topic": topic, "partitions": [
        {"partition": partition, "fetch_offset": offset, "partition_max_bytes": 1 << 20}]}


def session_fetch(wire, session, epoch, topics=(), wait_ms=0, **more):
    return wire.ask("Fetch", 11, replica_id=-1, max_wait_ms=wait_ms, min_bytes=1, max_bytes=1 << 20,
                    session_id=session, session_epoch=epoch, topics=list(topics), rack_id="", **more)


def partitions_in(answer):
    return sorted((t.topic, p.partition_index, len(records_of(p.records)))
                  for t in answer.responses for p in t.partitions)


def test_the_first_batch_is_complete_even_with_tiny_limits():
    for shards in (1, 4):
        with Broker(shards=shards) as broker, Wire(broker.port) as wire:
            wire.create("t", 4)
            big = make_batch([b"x" * (256 << 10)])
            for partition in range(4):
                for _ in range(2):
                    wire.produce("t", big, partition)
            for limits in ({"max_bytes": 12}, {"partition_max_bytes": 12},
                           {"max_bytes": 12, "partition_max_bytes": 12}, {"max_bytes": 0, "partition_max_bytes": 0}):
                for partition in range(4):
                    got = wire.fetch("t", 1, partition=partition, **limits).records
                    assert len(got) == len(big), (limits, len(got))
                    assert records_of(got)[0].offset == 1
            answer = wire.ask("Fetch", 11, replica_id=-1, max_wait_ms=0, min_bytes=1, max_bytes=12, topics=[
                {"topic": "t", "partitions": [{"partition": p, "fetch_offset": 0, "partition_max_bytes": 12}
                                              for p in range(4)]}])
            sizes = [len(p.records or b"") for p in answer.responses[0].partitions]
            assert sizes[0] == len(big) and sum(sizes) < 2 * len(big), sizes


def test_the_first_partition_with_data_gives_the_whole_batch():
    """Also if it is not the first partition of the request."""
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t", 4)
        batch = make_batch([b"x" * 5000])
        wire.produce("t", batch, 2)
        answer = wire.ask("Fetch", 11, replica_id=-1, max_wait_ms=0, min_bytes=1, max_bytes=12, topics=[
            {"topic": "t", "partitions": [{"partition": p, "fetch_offset": 0, "partition_max_bytes": 12}
                                          for p in range(4)]}])
        found = {p.partition_index: len(p.records or b"") for p in answer.responses[0].partitions}
        assert found == {0: 0, 1: 0, 2: len(batch), 3: 0}


def test_an_offset_in_the_middle_gives_its_batch():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        for _ in range(3):
            wire.produce("t", make_batch([b"a"] * 10))
        assert [r.offset for r in records_of(wire.fetch("t", 15).records)] == list(range(10, 30))


def test_offsets_outside_the_log_are_out_of_range():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t")
        wire.produce("t", make_batch([b"a", b"b"]))
        end = wire.fetch("t", 2)
        assert (end.error_code, len(end.records or b""), end.high_watermark) == (NONE, 0, 2)
        for offset in (3, 1 << 40, -1):
            # The wire gives up before this wait ends: an error does not wait.
            assert wire.fetch("t", offset, wait_ms=LONG_WAIT_MS).error_code == OFFSET_OUT_OF_RANGE


def test_a_waiting_fetch_wakes_on_data():
    for shards in (1, 4):
        with Broker(shards=shards) as broker, Wire(broker.port) as waiting, Wire(broker.port) as wire:
            wire.create("t", 4)
            for partition in range(4):
                waiting.send_fetch("t", 0, partition=partition, wait_ms=LONG_WAIT_MS)
                assert waiting.silent(0.1)
                wire.produce("t", make_batch([b"now"]), partition)
                got = waiting.receive().responses[0].partitions[0]
                assert records_of(got.records)[0].value == b"now"


def test_a_fetch_waits_for_min_bytes_but_not_longer_than_max_wait():
    with Broker() as broker, Wire(broker.port) as waiting, Wire(broker.port) as wire:
        wire.create("t")
        batch = make_batch([b"x" * 100])
        waiting.send_fetch("t", wait_ms=LONG_WAIT_MS, min_bytes=len(batch) * 2)
        wire.produce("t", batch)
        assert waiting.silent(0.2)
        wire.produce("t", batch)
        assert len(waiting.receive().responses[0].partitions[0].records) == 2 * len(batch)
        started = time.monotonic()
        assert not wire.fetch("t", 2, wait_ms=300).records
        assert time.monotonic() - started > 0.25


def test_a_waiting_fetch_ends_when_its_topic_is_deleted():
    with Broker(shards=4) as broker, Wire(broker.port) as waiting, Wire(broker.port) as wire:
        wire.create("t", 4)
        waiting.send_fetch("t", partition=3, wait_ms=LONG_WAIT_MS)
        assert waiting.silent(0.1)
        assert wire.ask("DeleteTopics", 4, topic_names=["t"], timeout_ms=5000).responses[0].error_code == NONE
        got = waiting.receive().responses[0].partitions[0]
        assert got.error_code == UNKNOWN_TOPIC


def test_a_session_returns_only_changed_partitions():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t", 3)
        wire.produce("t", make_batch([b"a"]), 1)
        topics = [part("t", p) for p in range(3)]
        first = session_fetch(wire, 0, 0, topics)
        assert first.error_code == NONE and first.session_id > 0
        assert partitions_in(first) == [("t", 0, 0), ("t", 1, 1), ("t", 2, 0)]
        session = first.session_id
        second = session_fetch(wire, session, 1, [part("t", 1, 1)])
        assert second.session_id == session and partitions_in(second) == []
        wire.produce("t", make_batch([b"b", b"c"]), 2)
        third = session_fetch(wire, session, 2)
        assert partitions_in(third) == [("t", 2, 2)]
        again = session_fetch(wire, session, 3, [part("t", 2, 2)],
                              forgotten_topics_data=[{"topic": "t", "partitions": [1]}])
        assert partitions_in(again) == []
        wire.produce("t", make_batch([b"d"]), 1)
        wire.produce("t", make_batch([b"e"]), 0)
        assert partitions_in(session_fetch(wire, session, 4)) == [("t", 0, 1)]


def test_unknown_sessions_and_wrong_epochs_get_a_top_level_error():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        session = session_fetch(wire, 0, 0, [part("t", 0)]).session_id
        for number, epoch, error in ((session + 1000, 1, SESSION_NOT_FOUND), (session, 7, INVALID_SESSION_EPOCH)):
            answer = session_fetch(wire, number, epoch, [part("t", 0)])
            assert answer.error_code == error and answer.responses == [], answer
        full = session_fetch(wire, 0, 0, [part("t", 0)])
        assert full.error_code == NONE and partitions_in(full) == [("t", 0, 0)]
        none = session_fetch(wire, 0, -1, [part("t", 0)])
        assert none.error_code == NONE and none.session_id == 0


def test_a_session_ends_on_request_and_with_the_broker():
    with Broker() as broker:
        with Wire(broker.port) as wire:
            wire.create("t")
            session = session_fetch(wire, 0, 0, [part("t", 0)]).session_id
            closed = session_fetch(wire, session, -1, [part("t", 0)])
            assert closed.error_code == NONE and closed.session_id == 0
            assert session_fetch(wire, session, 1).error_code == SESSION_NOT_FOUND
            session = session_fetch(wire, 0, 0, [part("t", 0)]).session_id
        broker.restart()
        with Wire(broker.port) as wire:
            assert session_fetch(wire, session, 1).error_code == SESSION_NOT_FOUND


def test_fetch_by_id_finds_topics_only_by_their_id():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        topic_id = wire.create("t", version=7).topic_id
        wire.produce("t", make_batch([b"a"]))
        more = {"version": 13, "topic_id": topic_id}
        assert len(records_of(wire.fetch("", 0, **more).records)) == 1
        more["topic_id"] = NO_UUID
        assert wire.fetch("", 0, **more).error_code == UNKNOWN_TOPIC_ID


def test_a_recreated_topic_has_a_new_id_and_the_old_id_is_unknown():
    with Broker(shards=2) as broker, Wire(broker.port) as wire:
        old = wire.create("t", version=7).topic_id
        wire.produce("t", make_batch([b"old"]))
        wire.ask("DeleteTopics", 6, topics=[{"name": None, "topic_id": old}], timeout_ms=5000)
        new = wire.create("t", version=7).topic_id
        assert new != old
        wire.produce("t", make_batch([b"new"]))
        assert wire.fetch("", version=13, topic_id=old).error_code == UNKNOWN_TOPIC_ID
        got = wire.fetch("", version=13, topic_id=new)
        assert [r.value for r in records_of(got.records)] == [b"new"]


def test_older_and_newer_leader_epochs_get_different_errors():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        now = wire.metadata("t").topics[0].partitions[0].leader_epoch
        for epoch, error in ((now, NONE), (-1, NONE), (now + 1, UNKNOWN_EPOCH)):
            answer = wire.ask("Fetch", 11, replica_id=-1, max_wait_ms=0, min_bytes=1, topics=[
                {"topic": "t", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 100,
                                               "current_leader_epoch": epoch}]}])
            assert answer.responses[0].partitions[0].error_code == error


def test_list_offsets_finds_the_first_record_at_or_after_a_time():
    """The time is inclusive, also inside batches of any codec. Timestamps need not be in order."""
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        for codec in range(5):
            topic = f"codec-{codec}"
            wire.create(topic)
            base = 1_700_000_000_000
            wire.produce(topic, make_batch([b"x"] * 4, [base + t for t in (10, 20, 30, 40)], codec))
            wire.produce(topic, make_batch([b"x"] * 4, [base + t for t in (35, 90, 15, 50)], codec))
            wire.produce(topic, make_batch([b"x"] * 2, [base + t for t in (60, 70)], codec))
            expected = {0: (0, 10), 10: (0, 10), 11: (1, 20), 40: (3, 40), 41: (5, 90), 90: (5, 90), 91: (-1, None)}
            for asked, (offset, stamp) in expected.items():
                got = wire.list_offset(topic, base + asked)
                assert got.error_code == NONE and got.offset == offset, (codec, asked, got)
                assert got.timestamp == (-1 if stamp is None else base + stamp), (codec, asked, got)
            got = wire.list_offset(topic, MAX_TIMESTAMP)
            assert (got.offset, got.timestamp) == (5, base + 90), (codec, got)


def test_list_offsets_knows_the_special_times():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        empty = {EARLIEST: 0, LATEST: 0, MAX_TIMESTAMP: -1, -4: 0, -5: -1}
        for asked, offset in empty.items():
            got = wire.list_offset("t", asked)
            assert (got.error_code, got.offset, got.timestamp) == (NONE, offset, -1), (asked, got)
        assert wire.list_offset("t", 0).offset == -1
        wire.produce("t", make_batch([b"a", b"b", b"c"]))
        for asked, offset in {EARLIEST: 0, LATEST: 3, MAX_TIMESTAMP: 2, -4: 0, -5: -1}.items():
            got = wire.list_offset("t", asked)
            assert (got.error_code, got.offset) == (NONE, offset), (asked, got)
        assert wire.list_offset("t", -6).error_code == UNSUPPORTED_VERSION
        assert wire.list_offset("t", LATEST, 5).error_code == UNKNOWN_TOPIC
        assert wire.list_offset("none", LATEST).error_code == UNKNOWN_TOPIC


def test_special_times_need_their_versions():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        for asked, first in ((MAX_TIMESTAMP, 7), (-4, 8), (-5, 9)):
            assert wire.list_offset("t", asked, version=first).error_code == NONE
            assert wire.list_offset("t", asked, version=first - 1).error_code == UNSUPPORTED_VERSION


def test_a_partition_that_is_listed_twice_is_an_invalid_request():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        twice = [{"partition_index": 0, "timestamp": LATEST}] * 2
        answer = wire.ask("ListOffsets", 5, replica_id=-1, topics=[{"name": "t", "partitions": twice}])
        assert {p.error_code for p in answer.topics[0].partitions} == {INVALID_REQUEST}


def test_a_client_can_seek_by_time_into_a_compressed_batch():
    with Broker(shards=4) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", 2)
            for partition in range(2):
                stamps = [1_700_000_000_000 + 10 * n for n in range(100)]
                wire.produce("t", make_batch([b"%d" % n for n in range(100)], stamps, 4), partition)
        consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": "g"})
        asked = [confluent_kafka.TopicPartition("t", p, 1_700_000_000_000 + 10 * 42 - 5 * p) for p in range(2)]
        assert [p.offset for p in consumer.offsets_for_times(asked, timeout=20)] == [42, 42]
        assert consumer.get_watermark_offsets(confluent_kafka.TopicPartition("t", 0), timeout=20) == (0, 100)
        consumer.close()


def test_a_consumer_gets_an_error_when_its_topic_is_deleted():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t")
        wire.produce("t", make_batch([b"hello"]))
        kcat = subprocess.Popen(
            ["kcat", "-b", broker.address, "-G", "g", "-X", "auto.offset.reset=earliest", "-X",
             "allow.auto.create.topics=false", "-X", "topic.metadata.refresh.interval.ms=200", "-u", "t"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert kcat.stdout.readline() == "hello\n"
            wire.ask("DeleteTopics", 5, topic_names=["t"], timeout_ms=5000)
            ended = threading.Timer(20, kcat.kill)
            ended.start()
            assert any("Unknown topic or partition" in line for line in kcat.stderr), "not told"
            ended.cancel()
        finally:
            kcat.kill()
            kcat.communicate()
        assert wire.metadata("t").topics[0].error_code == UNKNOWN_TOPIC


def test_a_client_that_disconnects_while_it_waits_disturbs_no_other():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t", 4)
        for partition in range(4):
            with Wire(broker.port) as gone:
                gone.send_fetch("t", partition=partition, wait_ms=60_000)
                assert gone.silent(0.05)
        for partition in range(4):
            assert wire.produce("t", make_batch([b"a"]), partition).error_code == NONE
            assert len(records_of(wire.fetch("t", partition=partition).records)) == 1
