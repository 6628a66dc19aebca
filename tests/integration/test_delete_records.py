"""DeleteRecords on a broker that is killed just after its answers: a log start that was told never goes back."""
import random

from broker import Broker, quick
from wire import EARLIEST, LATEST, Wire, make_batch, records_of

NONE, OFFSET_OUT_OF_RANGE = 0, 1
PARTITIONS, RECORDS = 6, 10
BATCH = make_batch([b"%d" % n for n in range(RECORDS)])


def trim(wire, offsets):
    answer = wire.ask("DeleteRecords", 2, timeout_ms=10_000, topics=[{"name": "t", "partitions": [
        {"partition_index": p, "offset": offset} for p, offset in offsets.items()]}])
    got = {p.partition_index: p for p in answer.topics[0].partitions}
    assert all(p.error_code == NONE for p in got.values()), answer
    return {p: row.low_watermark for p, row in got.items()}


def check(wire, starts, ends):
    for partition in range(PARTITIONS):
        start, end = starts[partition], ends[partition]
        assert wire.list_offset("t", EARLIEST, partition).offset == start
        assert wire.list_offset("t", LATEST, partition).offset == end
        if start > 0:
            assert wire.fetch("t", start - 1, partition=partition).error_code == OFFSET_OUT_OF_RANGE
        if start < end:
            first = [r for r in records_of(wire.fetch("t", start, partition=partition).records) if r.offset >= start]
            assert first[0].offset == start and first[0].value == b"%d" % (start % RECORDS), first


def test_a_log_start_that_was_told_survives_every_kill():
    drawn = random.Random(3)
    starts, ends = [0] * PARTITIONS, [0] * PARTITIONS
    with Broker(shards=2, settings={"tidemill.checkpoint.interval.ms": 100}) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", PARTITIONS)
        for _ in range(3 if quick() else 8):
            with Wire(broker.port) as wire:
                for _ in range(8):
                    partition = drawn.randrange(PARTITIONS)
                    assert wire.produce("t", BATCH, partition).error_code == NONE
                    ends[partition] += RECORDS
                    chosen = {p: drawn.choice((-1, drawn.randint(0, ends[p]))) for p in range(PARTITIONS)
                              if drawn.random() < 0.3}
                    for p, told in trim(wire, chosen).items():
                        starts[p] = max(starts[p], ends[p] if chosen[p] < 0 else chosen[p])
                        assert told == starts[p], (p, chosen, told, starts)
            broker.restart(kill=True)
            with Wire(broker.port) as wire:
                check(wire, starts, ends)
        broker.restart()
        with Wire(broker.port) as wire:
            check(wire, starts, ends)
