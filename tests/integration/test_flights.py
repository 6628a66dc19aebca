"""Real data through a real pipeline: 20,000 and 230,000 flights, shuffled, with added duplicates, malformed and late
rows. The result must equal an independent recount, row by row. It must be the same, byte by byte, if the broker is
killed three times while the flights arrive.

The recount below follows docs/processors.md but shares no code with the broker. It decides for each record whether
it is malformed, late or a duplicate, and SQLite aggregates the others.
"""
import calendar
import json
import pathlib
import random
import sqlite3
import time

import confluent_kafka
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from broker import Broker, quick, wait_until

DATA = pathlib.Path(__file__).parent / "node/node_modules/vega-datasets/data"
HOUR, DAY = 3_600_000, 86_400_000
OUT_OF_ORDER = 6 * HOUR
SCHEMA = {"type": "object", "required": ["id", "date", "delay", "origin"],
          "properties": {"id": {"type": "string"}, "date": {"type": "string"}, "delay": {"type": "number"},
                         "origin": {"type": "string"}}}
SELECT = ("count() as flights; sum(value.delay) as delay; avg(value.delay) as mean; "
          "max(value.delay) as worst")
PROCESSORS = {
    "check": {"type": "validate", "json-schema": "inline:" + json.dumps(SCHEMA), "timestamp": "value.date",
              "timestamp.format": "strptime:%Y/%m/%d %H:%M", "out-of-order": "6h"},
    "uniq": {"type": "dedup", "after": "check", "id": "value.id", "within": "7d",
             "duplicates": "flights.duplicates"},
    "hourly": {"type": "aggregate", "after": "uniq", "group-by": "value.origin", "window": "tumbling(1h)",
               "select": SELECT, "output": "flights.hourly"},
    "daily": {"type": "aggregate", "after": "uniq", "group-by": "value.origin", "window": "tumbling(1d)",
              "select": SELECT, "output": "flights.daily"},
}
# Only headers of dead letters have the time of a failure.
WALL_CLOCK_HEADERS = {"__dlq.errors.first.failure", "__dlq.errors.last.failure"}


def date_ms(text):
    return calendar.timegm(time.strptime(text, "%Y/%m/%d %H:%M")) * 1000


def twenty_thousand():
    return json.loads((DATA / "flights-20k.json").read_text(encoding="utf-8"))


def two_hundred_thousand():
    """These flights have an hour and a distance, but no date and no origin. A day and a class of distance replace
    those. A quick run takes every tenth flight."""
    flights = json.loads((DATA / "flights-200k.json").read_text(encoding="utf-8"))
    first = date_ms("2001/01/01 00:00")
    for n, flight in enumerate(flights[::10 if quick() else 1]):
        moment = first + n % 100 * DAY + round(flight["time"] * 60) * 60_000
        yield dict(flight, origin=f"{flight['distance'] // 250 * 250} miles",
                   date=time.strftime("%Y/%m/%d %H:%M", time.gmtime(moment / 1000)))


def make_input(seed, flights):
    """The records to send, in order: bytes."""
    chance = random.Random(seed)
    rows = [dict(flight, id=f"f-{n}") for n, flight in enumerate(flights)]
    rows.sort(key=lambda row: date_ms(row["date"]) + chance.randrange(5 * HOUR))
    out = []
    for n, row in enumerate(rows):
        text = json.dumps(row).encode()
        out.append(text)
        if n % 40 == 7:
            out.append(text)  # a duplicate at once
        if n % 50 == 11:
            out.append(json.dumps(rows[max(0, n - 30)]).encode())  # a duplicate a little later
        if n % 97 == 5:
            out.append(text[:len(text) // 2])  # malformed
        if n % 131 == 9:
            out.append(json.dumps({k: v for k, v in row.items() if k != "origin"}).encode())
        if n % 151 == 3:
            out.append(json.dumps(dict(row, id=f"bad-{n}", date="yesterday")).encode())
        if n % 113 == 60:
            out.append(json.dumps(dict(rows[n // 2], id=f"late-{n}")).encode())
    # Moves the watermark past the end of all windows before it.
    out.append(json.dumps({"id": "end", "date": "2002/01/01 00:00", "delay": 0, "origin": "END"}).encode())
    return out


def recount(records):
    """The expected results: hourly and daily rows, and the counts of the other records."""
    watermark, seen = None, set()
    counts = {"MALFORMED_JSON": 0, "SCHEMA_VIOLATION": 0, "TIMESTAMP_INVALID": 0, "LATE": 0, "duplicates": 0}
    kept = sqlite3.connect(":memory:")
    kept.execute("create table flights (ts integer, origin text, delay integer)")
    for record in records:
        try:
            row = json.loads(record)
        except ValueError:
            counts["MALFORMED_JSON"] += 1
            continue
        if "origin" not in row:
            counts["SCHEMA_VIOLATION"] += 1
            continue
        try:
            ts = date_ms(row["date"])
        except ValueError:
            counts["TIMESTAMP_INVALID"] += 1
            continue
        if watermark is not None and ts < watermark:
            counts["LATE"] += 1
        elif row["id"] in seen:
            counts["duplicates"] += 1
        else:
            seen.add(row["id"])
            kept.execute("insert into flights values (?, ?, ?)", (ts, row["origin"], row["delay"]))
        watermark = max(ts - OUT_OF_ORDER, watermark if watermark is not None else ts - OUT_OF_ORDER)
    windows = {}
    for name, size in (("hourly", HOUR), ("daily", DAY)):
        windows[name] = {
            (origin, start): (count, total, total / count, worst)
            for origin, start, count, total, worst in kept.execute(
                f"select origin, ts / {size} * {size} as start, count(*), sum(delay), max(delay) from flights"
                " group by origin, start")
            if watermark >= start + size}
    return windows, counts


def configure(broker):
    admin = AdminClient({"bootstrap.servers": broker.address})
    for future in admin.create_topics([NewTopic("flights", 1, 1)]).values():
        future.result(10)
    configs = {f"processor.{name}.{key}": value
               for name, parameters in PROCESSORS.items() for key, value in parameters.items()}
    resource = ConfigResource("topic", "flights", set_config=configs)
    for future in admin.alter_configs([resource]).values():
        future.result(10)


def produce(broker, records, kills):
    """An idempotent producer. The broker is killed after each of the counts in `kills`."""
    failed = []
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "enable.idempotence": True,
                                         "linger.ms": 2, "batch.num.messages": 200,
                                         "message.timeout.ms": 120_000, "reconnect.backoff.max.ms": 200,
                                         "queue.buffering.max.messages": 1_000_000})
    for n, record in enumerate(records):
        if n in kills:
            broker.restart(kill=True)
        # A fixed timestamp, because dead letters have it, and two runs are compared byte by byte.
        producer.produce("flights", record, timestamp=1_700_000_000_000 + n,
                         on_delivery=lambda error, _: error and failed.append(error))
        if n % 100 == 0:
            producer.poll(0)
    producer.flush(120)
    assert not failed, failed[:3]


def read_all(broker, topic):
    """Every record of a one-partition topic: (key, value, headers)."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": "reader",
                                         "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    partition = confluent_kafka.TopicPartition(topic, 0, 0)
    consumer.assign([partition])
    end = consumer.get_watermark_offsets(partition, timeout=10)[1]
    records = []
    while len(records) < end:
        for message in consumer.consume(min(1000, end - len(records)), 10):
            assert message.error() is None, message.error()
            assert message.offset() == len(records)
            records.append((message.key(), message.value(), message.headers() or []))
    consumer.close()
    return records


def end_of(broker, topic):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": "ends"})
    try:
        return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, 0), timeout=10)[1]
    except confluent_kafka.KafkaException:
        return 0  # not there yet
    finally:
        consumer.close()


def run(records, kills=(), shards=1):
    windows, counts = recount(records)
    with Broker(shards=shards) as broker:
        configure(broker)
        produce(broker, records, kills)
        wait_until(lambda: end_of(broker, "flights.daily") >= len(windows["daily"]), 120, "the last daily window")
        outputs = {topic: read_all(broker, topic)
                   for topic in ("flights.hourly", "flights.daily", "flights.duplicates", "dlq.flights")}
        assert end_of(broker, "flights") == len(records)
    return windows, counts, outputs


def code_of(record):
    return dict(record[2])["__dlq.errors.code"].decode()


def check(records, windows, counts, outputs):
    for name in ("hourly", "daily"):
        rows = [json.loads(value) for _, value, _ in outputs[f"flights.{name}"]]
        size = HOUR if name == "hourly" else DAY
        actual = {(r["origin"], r["window_start"]): (r["flights"], r["delay"], r["mean"], r["worst"])
                  for r in rows}
        assert len(actual) == len(rows), "a window spoke twice"
        assert all(r["window_end"] - r["window_start"] == size for r in rows)
        assert actual == windows[name], sorted(set(actual.items()) ^ set(windows[name].items()))[:5]
    dead = {}
    for record in outputs["dlq.flights"]:
        dead[code_of(record)] = dead.get(code_of(record), 0) + 1
    expected = {code: n for code, n in counts.items() if code != "duplicates"}
    assert dead == expected, (dead, expected)
    assert all(n > 50 for n in counts.values()), counts  # each kind occurred
    assert len(outputs["flights.duplicates"]) == counts["duplicates"]
    accepted = sum(row[0] for row in windows["daily"].values()) + 1  # and the last record's open window
    assert len(records) == accepted + counts["duplicates"] + sum(expected.values())


def without_wall_clock(outputs):
    return {topic: [(key, value, [h for h in headers if h[0] not in WALL_CLOCK_HEADERS])
                    for key, value, headers in records] for topic, records in outputs.items()}


def test_flights_equal_an_independent_recount_row_for_row():
    records = make_input(1, twenty_thousand())
    check(records, *run(records))


def test_ten_times_as_many_flights_equal_the_recount():
    records = make_input(4, two_hundred_thousand())
    check(records, *run(records, kills={len(records) // 2}))


def test_flights_are_right_with_four_shards_and_a_crash():
    # Output topics are on other shards than the input, so results travel between shards.
    records = make_input(3, twenty_thousand())
    check(records, *run(records, kills={len(records) // 3}, shards=4))


def test_three_crashes_change_no_byte_of_the_results():
    records = make_input(2, twenty_thousand())
    calm = run(records)
    check(records, *calm)
    crashed = run(records, kills={len(records) // 5, len(records) // 2, len(records) * 4 // 5})
    check(records, *crashed)
    for topic, expected in without_wall_clock(calm[2]).items():
        actual = without_wall_clock(crashed[2])[topic]
        assert len(actual) == len(expected), topic
        for n, (one, other) in enumerate(zip(actual, expected)):
            assert one == other, f"{topic} offset {n}:\n{one}\n{other}"
