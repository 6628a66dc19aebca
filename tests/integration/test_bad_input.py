"""Bad input gets the answer of docs/bad-input.md or a closed connection, and has no other effect.

The tests send tables of invalid requests over raw sockets. After each table they compare the memory that it took
with a limit, and the broker must still serve a client beside it (harness/attack.py).
"""
import gzip
import json
import struct
import time
import zlib

import lz4.frame
import zstandard

from attack import MEGABYTE, Attacked, fetched, produced
from broker import quick, wait_until
from raw_wire import (API_VERSIONS, CREATE_TOPICS, DESCRIBE_CONFIGS, DESCRIBE_GROUPS, FETCH,
                      INCREMENTAL_ALTER_CONFIGS, JOIN_GROUP, LIST_OFFSETS, METADATA, OFFSET_COMMIT,
                      OFFSET_FETCH, PRODUCE, SYNC_GROUP, Link, array, batch, blob, compact, fetch, frame,
                  header, i8, i16, i32, i64, produce, record, sized, string, uvarint, varint)

HUGE = 0x7fffffff
HOUR_MS = 3_600_000
COMPRESSED = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

the_broker = None


def attacked():
    """One broker for all tests, so that later tests see the effects of earlier ones."""
    global the_broker
    if the_broker is None:
        the_broker = Attacked(shards=2, settings={"group.min.session.timeout.ms": 100})
        the_broker.start()
        create("bad", partitions=2)
    return the_broker


def finish():
    if the_broker is not None:
        the_broker.__exit__(None, None, None)


# --- requests and their expected replies ---

def ask(request):
    with Link(attacked().port) as link:
        return link.ask(request)


def closed(reply):
    assert reply is None, f"an answer: {reply.raw[:80]}"


def ended(reply):
    """The broker closes when the client has sent its end: a frame was incomplete."""
    closed(reply)


def answered(reply):
    assert reply is not None, "no answer"


def produce_says(error, version=7):
    def check(reply):
        answered(reply)
        assert produced(reply, version)[0] == error, f"error {produced_again(reply, version)}, not {error}"
    return check


def produced_again(reply, version):
    reply.at = 4
    return produced(reply, version)[0]


def at(skip, error):
    """The error code follows `skip` bytes of the reply."""
    def check(reply):
        answered(reply)
        reply.take(skip)
        found = reply.i16()
        assert found == error, f"error {found}, not {error}"
    return check


def run(table, what, megabytes):
    """Each row: name, bytes to send, check of the reply."""
    with attacked().survives(f"{what}, {len(table)} cases", megabytes):
        for name, raw, check in table:
            with Link(attacked().port) as link:
                link.send(raw)
                if check is ended:
                    link.end()
                try:
                    check(link.read())
                except AssertionError as error:
                    raise AssertionError(f"{name}: {error}") from None


def create_request(name, partitions=1, configs=None, version=4):
    pairs = array([string(key) + string(value) for key, value in (configs or {}).items()])
    topic = string(name) + i32(partitions) + i16(1) + array([]) + pairs
    return frame(CREATE_TOPICS, version, array([topic]) + i32(10000) + i8(0))


def create_says(error):
    def check(reply):
        answered(reply)
        reply.i32()
        found = reply.array(lambda t: (t.string(), t.i16(), t.string()))[0]
        assert found[1] == error, f"error {found[1:]}, not {error}"
    return check


def create(name, partitions=1, configs=None):
    create_says(0)(ask(create_request(name, partitions, configs)))


def configure_request(topic, configs, operation=0):
    entries = array([string(key) + i8(operation) + string(value) for key, value in configs])
    return frame(INCREMENTAL_ALTER_CONFIGS, 0, array([i8(2) + string(topic) + entries]) + i8(0))


# --- frames and headers ---

ALL_TOPICS = i32(-1)


def test_invalid_frames():
    sizes = [-1, -2**31, -100, *range(8), 100 * MEGABYTE + 1, HUGE]
    table = [(f"size {size}", i32(size) + bytes(max(0, min(size, 64))), closed) for size in sizes]
    table += [
        ("garbage", bytes(range(255, 0, -1)) * 20, closed),
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", closed),
        ("a TLS greeting", bytes.fromhex("16030100c8010000c40303") + bytes(200), closed),
        ("nothing", b"", ended),
        ("half a size", b"\0\0", ended),
        ("a frame that is not whole", i32(1000) + bytes(900), ended),
    ]
    run(table, "frames that are none", 16)


def test_unknown_apis_and_versions():
    table = [(f"api {key}", frame(key, 0, bytes(64)), closed) for key in (999, -1, 32767, -32768, 4, 7, 24, 68)]
    for key, version in ((METADATA, 14), (METADATA, -1), (METADATA, HUGE & 0x7fff), (PRODUCE, 99), (PRODUCE, 2),
                         (FETCH, 3), (FETCH, 19), (LIST_OFFSETS, 0), (JOIN_GROUP, 10), (CREATE_TOPICS, 8)):
        table.append((f"api {key} version {version}", frame(key, version, bytes(64)), closed))
    for version in (5, 99, -1, 32767):
        table.append((f"ApiVersions {version}", frame(API_VERSIONS, version, b"\xff" * 30), at(0, 35)))
    table.append(("ApiVersions 99 without a client id", sized(i16(API_VERSIONS) + i16(99) + i32(1)), at(0, 35)))
    run(table, "unknown APIs and versions", 16)


def test_an_unknown_version_of_api_versions_leaves_the_connection_usable():
    with attacked().survives("ApiVersions again", 8), Link(attacked().port) as link:
        reply = link.ask(frame(API_VERSIONS, 99, b"\xff" * 30, 7), 7)
        assert reply.i16() == 35
        ranges = {key: (low, high) for key, low, high in reply.array(lambda a: (a.i16(), a.i16(), a.i16()))}
        assert ranges[API_VERSIONS][1] == 4 and reply.at == len(reply.raw)
        assert link.ask(frame(API_VERSIONS, 0, correlation=8), 8).i16() == 0


def test_an_invalid_software_name_leaves_the_connection_usable():
    bad = [b"", b"two words", b"-x", b"x-", b"caf\xc3\xa9", b"a\0b", b"x" * 32766 + b"!"]
    with attacked().survives("software names", 8), Link(attacked().port) as link:
        for name in bad:
            for words in ((name, b"1"), (b"good", name)):
                body = b"".join(map(compact, words)) + b"\0"
                assert link.ask(frame(API_VERSIONS, 3, body, flexible=True)).i16() == 42, f"{name[:40]}"
        body = compact(b"good") + compact(b"1.0") + b"\0"
        assert link.ask(frame(API_VERSIONS, 3, body, flexible=True)).i16() == 0


def flexible_metadata(topics=b"\0", tail=b"\0\0\0\0"):
    """Metadata 9: `topics` unchanged, then three booleans and the tags."""
    return frame(METADATA, 9, topics + tail, flexible=True)


def test_headers():
    whole = header(METADATA, 1, client="x" * 32767) + ALL_TOPICS
    nine = header(METADATA, 9)
    table = [
        ("client id of 32767 bytes", sized(whole), answered),
        ("no client id", frame(METADATA, 1, ALL_TOPICS, client=None), answered),
        ("client id that is not UTF-8", frame(METADATA, 1, ALL_TOPICS, client=b"\xff\xfe\0"), answered),
        ("client id longer than the frame", sized(header(METADATA, 1)[:8] + i16(32767) + b"x"), closed),
        ("client id of -2 bytes", sized(header(METADATA, 1)[:8] + i16(-2) + ALL_TOPICS), closed),
        ("client id is missing", sized(header(METADATA, 1)[:8]), closed),
        ("an unknown tag", sized(nine + b"\x01\x63\x03abc\0\0\0\0\0"), answered),
        ("a tag longer than the frame", sized(nine + b"\x01\x63\x7fabc"), closed),
        ("2^32 - 1 tags", sized(nine + uvarint(0xffffffff)), closed),
        ("a varint that never ends", sized(nine + b"\x80" * 64), closed),
        ("a varint of 33 bits", sized(nine + b"\xff\xff\xff\xff\x1f"), closed),
    ]
    run(table, "headers", 16)


def test_bodies_of_requests():
    def element(name=b"bad"):
        return compact(name) + b"\0"

    nested = string("t") + i32(1) + i16(1)
    table = [
        ("garbage behind the body", frame(METADATA, 1, ALL_TOPICS + b"garbage" * 100), answered),
        ("a body that is not there", frame(METADATA, 1), closed),
        ("2^31 - 1 topics", frame(METADATA, 1, i32(HUGE)), closed),
        ("2^31 - 1 topics, some there", frame(METADATA, 1, i32(HUGE) + string("bad") * 1000), closed),
        ("-2 topics", frame(METADATA, 1, i32(-2)), closed),
        ("-2^31 topics", frame(METADATA, 1, i32(-2**31)), closed),
        ("null where no null may be", frame(METADATA, 0, i32(-1)), closed),
        ("a null name", frame(METADATA, 1, array([i16(-1)])), closed),
        ("a name of -2 bytes", frame(METADATA, 1, array([i16(-2)])), closed),
        ("a name longer than the frame", frame(METADATA, 1, array([i16(32767) + b"x"])), closed),
        ("compact: 2^32 - 2 topics", flexible_metadata(uvarint(0xffffffff)), closed),
        ("compact: more topics than bytes", flexible_metadata(uvarint(1000), element()), closed),
        ("compact: a name of 2^32 - 2 bytes", flexible_metadata(b"\x02" + uvarint(0xffffffff)), closed),
        ("compact: a name of 40000 bytes", flexible_metadata(b"\x02" + element(b"x" * 40000)), closed),
        ("compact: a broken varint", flexible_metadata(b"\xff" * 9), closed),
        ("compact: honest", flexible_metadata(b"\x02" + element()), answered),
        ("an unknown tag", flexible_metadata(tail=b"\0\0\0\x02\x07\x01x\x09\x00"), answered),
        ("a tag twice", flexible_metadata(tail=b"\0\0\0\x02\x07\x01x\x07\x01x"), closed),
        ("tags that descend", flexible_metadata(tail=b"\0\0\0\x02\x07\x01x\x06\x01x"), closed),
        ("2^32 - 1 tags", flexible_metadata(tail=b"\0\0\0" + uvarint(0xffffffff)), closed),
        ("a tag of 2^32 - 1 bytes", flexible_metadata(tail=b"\0\0\0\x01\x07" + uvarint(0xffffffff)), closed),
        ("2^31 - 1 assignments", frame(CREATE_TOPICS, 4, i32(1) + nested + i32(HUGE)), closed),
        ("2^31 - 1 brokers", frame(CREATE_TOPICS, 4, i32(1) + nested + i32(1) + i32(0) + i32(HUGE)), closed),
        ("2^31 - 1 everywhere", frame(CREATE_TOPICS, 4, (i32(HUGE) + nested + i32(HUGE)) * 1000), closed),
        ("2^31 - 1 partitions", frame(FETCH, 4, i32(-1) + i32(0) * 3 + i8(0) + i32(1) + string("t") + i32(HUGE)),
         closed),
        ("records of 2^31 - 1 bytes", frame(PRODUCE, 7, i16(-1) + i16(1) + i32(1000) + i32(1) + string("bad")
                                            + i32(1) + i32(0) + i32(HUGE)), closed),
        ("records of -2 bytes", frame(PRODUCE, 7, i16(-1) + i16(1) + i32(1000) + i32(1) + string("bad")
                                      + i32(1) + i32(0) + i32(-2)), closed),
    ]
    run(table, "bodies", 32)


def test_a_request_cut_at_every_byte():
    whole = produce("bad", batch(record(value=b"cut")))
    with attacked().survives(f"a request of {len(whole)} bytes cut at each", 16):
        for size in range(len(whole)):
            with Link(attacked().port) as link:
                link.send(whole[:size])
                link.end()
                assert link.read() is None, f"cut at {size}"
        for size in range(8, len(whole) - 4):
            with Link(attacked().port) as link:
                link.send(sized(whole[4:4 + size]))
                assert link.read() is None, f"a shorter frame of {size}"


SMALL_ELEMENTS = {
    # repeated elements: api, version, bytes before the count, one element, bytes after them
    "topics to produce to": (PRODUCE, 7, i16(-1) + i16(1) + i32(1000), i16(0) + i32(0), b""),
    "partitions to produce to": (PRODUCE, 7, i16(-1) + i16(1) + i32(1000) + i32(1) + string("bad"), i32(9) + i32(-1),
                                 b""),
    "topics to fetch": (FETCH, 4, i32(-1) + i32(0) * 3 + i8(0), i16(0) + i32(0), b""),
    "partitions to fetch": (FETCH, 4, i32(-1) + i32(0) * 3 + i8(0) + i32(1) + string("bad"),
                            i32(0) + i64(0) + i32(1), b""),
    "partitions to list": (LIST_OFFSETS, 1, i32(-1) + i32(1) + string("bad"), i32(9) + i64(-1), b""),
    "names of topics": (METADATA, 1, b"", i16(0), b""),
    "topics to create": (CREATE_TOPICS, 4, b"", i16(0) + i32(1) + i16(1) + i32(0) * 2, i32(1000) + i8(0)),
    "protocols": (JOIN_GROUP, 0, string("g") + i32(1000) + string("") + string("consumer"), i16(0) + i32(0), b""),
}


def test_requests_of_many_small_elements():
    """The smallest possible elements: their decoded memory and their answer are bounded."""
    for what, (api, version, before, element, after) in SMALL_ELEMENTS.items():
        for megabytes in (1, 2, 4, 8):
            count = megabytes * MEGABYTE // len(element)
            body = before + i32(count) + element * count + after
            with attacked().survives(f"{count} {what}", 250), Link(attacked().port) as link:
                link.ask(frame(api, version, body))  # answered or closed


# --- produce ---

def wrapped(records, codec, count=1, **more):
    return batch(records, count=count, attributes=COMPRESSED[codec], **more)


def test_batches():
    now = int(time.time() * 1000)
    good = batch()
    two = record(0) + record(1)
    bad_header_count = record(headers=varint(-1))
    table = [
        ("wrong checksum", batch(crc=1), 2),
        ("one bit turned", good[:-1] + bytes([good[-1] ^ 1]), 2),
        ("length one more", batch(size_error=1), 2),
        ("length one less", batch(size_error=-1), 87),
        ("length 2^31 - 1", good[:8] + i32(HUGE) + good[12:], 2),
        ("length 0", good[:8] + i32(0) + good[12:], 2),
        ("length -1", good[:8] + i32(-1) + good[12:], 2),
        ("length of less than a header", good[:8] + i32(48) + good[12:], 2),
        ("the first half", good[:len(good) // 2], 2),
        ("ten bytes", good[:10], 2),
        ("magic 0", good[:16] + b"\0" + good[17:], 87),
        ("magic 1", good[:16] + b"\1" + good[17:], 87),
        ("magic 3", good[:16] + b"\3" + good[17:], 2),
        ("magic -1", good[:16] + b"\xff" + good[17:], 2),
        ("an old message", i64(0) + i32(22) + struct.pack(">Ibb", 0, 1, 0) + i64(now) + i32(-1) * 2, 87),
        ("two batches", good + good, 87),
        ("garbage behind the batch", good + b"garbage", 87),
        ("no batch", b"", 87),
        ("null", None, 87),
        ("fewer records than counted", batch(count=2), 87),
        ("more records than counted", batch(two, count=1), 87),
        ("0 records", batch(b"", count=0), 87),
        ("-1 records", batch(count=-1), 87),
        ("2^31 - 1 records", batch(count=HUGE), 87),
        ("last offset delta 7", batch(last=7), 87),
        ("last offset delta -1", batch(last=-1), 87),
        ("an offset twice", batch(record(0) + record(0), count=2), 87),
        ("a record too long", batch(record(size=100)), 87),
        ("a record too short", batch(record(size=3)), 87),
        ("a record of -1 bytes", batch(record(size=-1)), 87),
        ("a record of 2^31 - 1 bytes", batch(record(size=HUGE)), 87),
        ("a key longer than its record", batch(record(key_size=1000)), 87),
        ("a key of -2 bytes", batch(record(key_size=-2)), 87),
        ("a varint that never ends", batch(b"\xff" * 40), 87),
        ("2^31 - 1 headers", batch(record(headers=varint(HUGE))), 87),
        ("-1 headers", batch(bad_header_count), 87),
        ("a header without a key", batch(record(headers=varint(1) + varint(-1) + varint(0))), 87),
        ("headers that are cut", batch(record(headers=varint(2) + varint(1) + b"a" + varint(-1))), 87),
        ("a codec that is none", batch(attributes=5), 76),
        ("codec 7", batch(attributes=7), 76),
        ("LogAppendTime", batch(attributes=0x08), 32),
        ("a control batch", batch(attributes=0x20), 87),
        ("a delete horizon", batch(attributes=0x40), 87),
        ("unknown attributes", batch(attributes=0x4000), 87),
        ("two hours ahead", batch(time_ms=now + 2 * HOUR_MS), 32),
        ("the largest time", batch(time_ms=2**63 - 1), 32),
        ("a time before all", batch(time_ms=-2), 32),
        ("a sum of times beyond 64 bits", batch(record(timestamp_delta=2**63 - 1), time_ms=2**62), 32),
        ("transactional without a producer", batch(attributes=0x10), 87),
        ("a producer without a sequence", batch(producer=(7, 0, -1)), 87),
        ("a producer without an epoch", batch(producer=(7, -1, 0)), 87),
        ("producer -2", batch(producer=(-2, 0, 0)), 87),
        ("not gzip", wrapped(b"not gzip at all", "gzip"), 87),
        ("not snappy", wrapped(b"\xff" * 30, "snappy"), 87),
        ("not lz4", wrapped(b"not lz4 at all", "lz4"), 87),
        ("not zstd", wrapped(b"not zstd at all", "zstd"), 87),
        ("compressed nothing", wrapped(b"", "gzip"), 87),
        ("gzip, cut", wrapped(gzip.compress(record(value=bytes(1000)))[:-9], "gzip"), 87),
        ("compressed garbage", wrapped(gzip.compress(b"\xff" * 40), "gzip"), 87),
    ]
    run([(name, produce("bad", raw), produce_says(error)) for name, raw, error in table], "batches", 32)


def test_produce_requests():
    good = batch()
    table = [
        ("acks 2", produce("bad", good, acks=2), produce_says(21)),
        ("acks -2", produce("bad", good, acks=-2), produce_says(21)),
        ("partition -1", produce("bad", good, partition=-1), produce_says(3)),
        ("partition 2", produce("bad", good, partition=2), produce_says(3)),
        ("partition 2^31 - 1", produce("bad", good, partition=HUGE), produce_says(3)),
        ("a topic that is not there", produce("nowhere", good), produce_says(3)),
        ("a topic that cannot be", produce("../../etc/passwd", good), produce_says(3)),
        ("an internal topic", produce("__consumer_offsets", good), produce_says(17)),
        ("acks 0 and an error", produce("bad", batch(crc=1), acks=0), closed),
        ("acks 0 and no topic", produce("nowhere", good, acks=0), closed),
        ("zstd in version 6", produce("bad", wrapped(zstandard.compress(record()), "zstd"), version=6),
         produce_says(76, version=6)),
        ("more than max.message.bytes", produce("bad", batch(bytes(1_100_000), crc=1)), produce_says(10)),
        ("10 MB", produce("bad", batch(bytes(10_000_000), crc=1)), produce_says(10)),
    ]
    run(table, "produce", 64)


def test_acks_0_gets_no_byte_of_an_answer():
    with attacked().survives("acks=0", 8), Link(attacked().port) as link:
        link.send(produce("bad", batch(), acks=0))
        link.send(frame(API_VERSIONS, 0, correlation=2))
        assert link.read(2).i16() == 0


def zstd_run_bomb():
    """A frame of blocks that each repeat one byte 128 KiB long: four bytes become 131072."""
    block = struct.pack("<I", 131072 << 3 | 1 << 1)[:3] + b"\0"
    return bytes.fromhex("28b52ffd") + b"\x00\x58" + block * 200_000


def bombs():
    """Each is below max.message.bytes, and has more than a GiB or claims to."""
    deflated = gzip.compress(bytes(16 * MEGABYTE), 9)
    packed = lz4.frame.compress(bytes(4 * MEGABYTE), block_size=lz4.frame.BLOCKSIZE_MAX4MB)
    claims = lz4.frame.compress(b"x" * 100, store_size=True)
    layer = zlib.compressobj(9, zlib.DEFLATED, 31)
    tower = layer.compress(deflated * 60) + layer.flush()
    return {
        "gzip of 960 MiB": ("gzip", deflated * 60),
        "gzip of gzip": ("gzip", tower),
        "snappy claiming 4 GiB": ("snappy", uvarint(0xffffffff) + b"\xfe\1\0" * 1000),
        "snappy claiming what it could be": ("snappy", uvarint(20_000_000) + b"\xfe\1\0" * 300_000),
        "xerial blocks claiming 4 GiB": ("snappy", b"\x82SNAPPY\0" + i32(1) + i32(1) + (
            i32(100) + uvarint(0xffffffff) + bytes(95)) * 1000),
        "xerial block of 4 GiB": ("snappy", b"\x82SNAPPY\0" + i32(1) + i32(1) + i32(-1) + bytes(100)),
        "lz4 of 240 MiB": ("lz4", packed * 60),
        "lz4 claiming 2^62": ("lz4", claims[:6] + struct.pack("<Q", 2**62) + claims[14:]),
        "zstd of 24 GiB": ("zstd", zstd_run_bomb()),
        "zstd claiming 2^62": ("zstd", bytes.fromhex("28b52ffd") + b"\xe0" + struct.pack("<Q", 2**62)
                               + b"\x01\0\0"),
        "zstd with a window of 3.75 TiB": ("zstd", bytes.fromhex("28b52ffd") + b"\x00\xff" + b"\x01\0\0"),
    }


def test_compression_bombs():
    for name, (codec, bomb) in bombs().items():
        with attacked().survives(name, 300):
            reply = ask(produce("bad", wrapped(bomb[:1_000_000], codec)))
            error = produced(reply)[0]
            assert error in (10, 87), f"error {error}"


# --- reading ---

def fetch_request(partition=0, offset=0, max_bytes=1 << 20, times=1, **fields):
    most = {"replica": -1, "wait": 0, "min": 1, "max": 1 << 20, "isolation": 0} | fields
    body = (i32(most["replica"]) + i32(most["wait"]) + i32(most["min"]) + i32(most["max"]) + i8(most["isolation"])
            + array([string("bad") + array([i32(partition) + i64(offset) + i32(max_bytes)] * times)]))
    return frame(FETCH, 4, body)


def fetch_says(error):
    def check(reply):
        answered(reply)
        found = fetched(reply)[0]
        assert found == error, f"error {found}, not {error}"
    return check


def list_request(partition=0, timestamp=-1, times=1, version=1):
    body = i32(-1) + array([string("bad") + array([i32(partition) + i64(timestamp)] * times)])
    return frame(LIST_OFFSETS, version, body)


def list_says(error):
    return at(4 + 5 + 4 + 4, error)


def session_request(session, epoch):
    return frame(FETCH, 7, i32(-1) + i32(0) + i32(1) + i32(1000) + i8(0) + i32(session) + i32(epoch) + i32(0) * 2)


def test_fetches_and_offsets():
    table = [
        ("partition -1", fetch_request(partition=-1), fetch_says(3)),
        ("partition 2^31 - 1", fetch_request(partition=HUGE), fetch_says(3)),
        ("offset -1", fetch_request(offset=-1), fetch_says(1)),
        ("offset -2^63", fetch_request(offset=-2**63), fetch_says(1)),
        ("offset 2^63 - 1", fetch_request(offset=2**63 - 1), fetch_says(1)),
        ("max_bytes -1", fetch_request(max_bytes=-1, max=-1), fetch_says(0)),
        ("max_bytes 2^31 - 1", fetch_request(max_bytes=HUGE, max=HUGE), fetch_says(0)),
        ("min_bytes -1, wait -1", fetch_request(min=-1, wait=-1), fetch_says(0)),
        ("min_bytes above all", fetch_request(min=HUGE, wait=1), fetch_says(0)),
        ("an isolation level that is none", fetch_request(isolation=77), fetch_says(0)),
        ("a replica that is none", fetch_request(replica=5), fetch_says(0)),
        ("one partition a thousand times", fetch_request(times=1000, max_bytes=HUGE, max=HUGE), fetch_says(0)),
        ("a session that is none", session_request(12345, 1), at(4, 70)),
        ("a session of -5", session_request(-5, 1), at(4, 70)),
        ("an epoch of -5", session_request(0, -5), at(4, 70)),
        ("offsets of partition -1", list_request(partition=-1), list_says(3)),
        ("offsets of partition 2^31 - 1", list_request(partition=HUGE), list_says(3)),
        ("time -6", list_request(timestamp=-6), list_says(35)),
        ("time -2^63", list_request(timestamp=-2**63), list_says(35)),
        ("time -3 before it was known", list_request(timestamp=-3), list_says(35)),
        ("time 2^63 - 1", list_request(timestamp=2**63 - 1), list_says(0)),
        ("one partition twice", list_request(times=2), list_says(42)),
        ("one partition 100,000 times", list_request(times=100_000), list_says(42)),
    ]
    with Link(attacked().port) as link:
        produce_says(0)(link.ask(produce("bad", batch(record(value=bytes(100_000))))))
    run(table, "fetches and offsets", 100)


# --- groups ---

def join_request(group="g", session_ms=10_000, protocols=((b"range", b""),), member="", kind="consumer", version=2):
    body = string(group) + i32(session_ms)
    if version >= 1:
        body += i32(1000)
    body += string(member) + string(kind) + array([string(name) + blob(data) for name, data in protocols])
    return frame(JOIN_GROUP, version, body)


def commit_request(group, metadata="", partition=0, offset=0, topic="bad"):
    return frame(OFFSET_COMMIT, 2, string(group) + i32(-1) + string("") + i64(-1) + array(
        [string(topic) + array([i32(partition) + i64(offset) + string(metadata)])]))


def commit_says(error, topic="bad"):
    return at(4 + 2 + len(topic) + 4 + 4, error)


def test_groups():
    long = "g" * 32767
    many = [(b"p%d" % n, b"") for n in range(10_000)]
    table = [
        ("an empty group id", join_request(group=""), at(4, 24)),
        ("a session of 0 ms", join_request(session_ms=0), at(4, 26)),
        ("a session of -1 ms", join_request(session_ms=-1), at(4, 26)),
        ("a session of 2^31 - 1 ms", join_request(session_ms=HUGE), at(4, 26)),
        ("no protocols", join_request(protocols=()), at(4, 23)),
        ("no protocol type", join_request(kind=""), at(4, 23)),
        ("10,000 protocols", join_request(protocols=many), at(4, 23)),
        ("a protocol twice", join_request(group="twice", protocols=[(b"range", b"")] * 2, session_ms=100), answered),
        ("an unknown member", join_request(member="nobody"), at(4, 25)),
        ("a group id of 32767 bytes", join_request(group=long, session_ms=100), at(4, 0)),
        ("a subscription that is garbage", join_request(group="odd", protocols=[(b"range", b"\xff" * 99)],
                                                        session_ms=100), at(4, 0)),
        ("a subscription of 10 MB", join_request(group="large", protocols=[(b"range", bytes(10_000_000))],
                                                 session_ms=100), at(4, 0)),
        ("a subscription of 20 MB", join_request(group="larger", protocols=[(b"range", bytes(20_000_000))],
                                                 session_ms=100), at(4, 81)),
        ("syncing without a group", frame(SYNC_GROUP, 2, string("") + i32(1) + string("m") + array([])), at(4, 24)),
        ("syncing a group that is none", frame(SYNC_GROUP, 2, string("none") + i32(1) + string("m") + array([])),
         at(4, 25)),
        ("syncing 20 MB", frame(SYNC_GROUP, 2, string("none") + i32(1) + string("m") + array(
            [string("m") + blob(bytes(20_000_000))])), at(4, 25)),
        ("metadata of 5,000 bytes", commit_request("offsets", "x" * 5000), commit_says(12)),
        ("partition -1", commit_request("offsets", partition=-1), commit_says(3)),
        ("partition 2^31 - 1", commit_request("offsets", partition=HUGE), commit_says(3)),
        ("a topic that is not there", commit_request("offsets", topic="non"), commit_says(3)),
        ("a commit without a group, which old tools make", commit_request(""), commit_says(0)),
    ]
    run(table, "groups", 150)


# --- topics and configs ---

def test_topics():
    bad_names = ["", ".", "..", "x" * 250, "a b", "a/b", "tab\t", "nul\0", "line\n", "caf\u00e9", "\U0001f600", "%s%n",
                 b"\xff\xfe", "../up"]
    table = [(f"name {name!r:.30}", create_request(name), create_says(17)) for name in bad_names]
    table += [(f"{count} partitions", create_request("many", count), create_says(error))
              for count, error in ((1_000_000, 44), (HUGE, 44), (10_001, 44), (0, 37), (-2, 37), (-2**31, 37))]
    table += [
        ("a topic twice", frame(CREATE_TOPICS, 4, array([string("twice") + i32(1) + i16(1) + array([]) * 2] * 2)
                                + i32(1000) + i8(0)), create_says(42)),
        ("replication factor 2", frame(CREATE_TOPICS, 4, array([string("copies") + i32(1) + i16(2) + array([]) * 2])
                                       + i32(1000) + i8(0)), create_says(38)),
        ("replication factor -7", frame(CREATE_TOPICS, 4, array([string("copies") + i32(1) + i16(-7) + array([]) * 2])
                                        + i32(1000) + i8(0)), create_says(38)),
        ("assignments to nobody", frame(CREATE_TOPICS, 4, array([
            string("nobody") + i32(-1) + i16(-1) + array([i32(p) + array([i32(99)]) for p in range(1000)])
            + array([])]) + i32(1000) + i8(0)), create_says(39)),
        ("many partitions behind a negative number", frame(CREATE_TOPICS, 4, array([
            string(name) + i32(count) + i16(1) + array([]) * 2 for name, count in (("many", 90_000), ("few", -90_000))])
            + i32(1000) + i8(1)), create_says(44)),
        ("200,000 topics on use", frame(METADATA, 1, array([string(f"use-{n}") for n in range(200_000)])), answered),
    ]
    run(table, "topics", 100)


def test_configs():
    keys = [(f"key.{n}", "1") for n in range(10_000)]
    table = [
        ("an unknown key", [("retention.mss", "1")], 40),
        ("a value that is none", [("retention.ms", "soon")], 40),
        ("10,000 keys", keys, 40),
        ("a key twice", [("retention.ms", "1")] * 2, 42),
        ("an empty key", [("", "1")], 40),
        ("a key of 32767 bytes", [("x" * 32767, "1")], 40),
        ("a key that is not UTF-8", [(b"\xff\xfe\0%n", "1")], 40),
        ("null", [("retention.ms", None)], 42),
        ("a number beyond 64 bits", [("retention.ms", "9" * 40)], 40),
        ("a processor without a parameter", [("processor.x", "1")], 40),
        ("a parameter that is none", [("processor.x.typ", "filter")], 40),
        ("a processor name that is none", [("processor.../../x.type", "filter")], 40),
    ]
    run([(name, configure_request("bad", configs), at(8, error)) for name, configs, error in table]
        + [("an operation that is none", configure_request("bad", [("retention.ms", "1")], 9), at(8, 42)),
           ("a topic that is not there", configure_request("none", [("retention.ms", "1")]), at(8, 3))], "configs", 64)


def long_value_request(key, operation, value):
    """IncrementalAlterConfigs 1. Its strings may claim to be longer than 32767 bytes, but never are."""
    entry = compact(key.encode()) + i8(operation) + compact(value) + b"\0"
    body = b"\x02" + i8(2) + compact(b"bad") + b"\x02" + entry + b"\0" + b"\0" + b"\0"
    return frame(INCREMENTAL_ALTER_CONFIGS, 1, body, flexible=True)


def test_large_config_values():
    table = [(f"{key} of {size} bytes", long_value_request(key, 0, b"x" * size), closed)
             for key in ("retention.ms", "processor.x.where") for size in (32_768, 10_000_000)]
    table += [("the longest string", long_value_request("retention.ms", 0, b"1" * 32_767), at(6, 40)),
              ("a list of 16,000", long_value_request("leader.replication.throttled.replicas", 0,
                                                      b",".join([b"%x" % n for n in range(7000)])), at(6, 0)),
              ("a list less a list", long_value_request("leader.replication.throttled.replicas", 3,
                                                        b",".join([b"%x" % n for n in range(7000, 13000)])), at(6, 0))]
    run(table, "large config values", 64)


def appended(items):
    return long_value_request("leader.replication.throttled.replicas", 2, b",".join([b"%x" % n for n in items]))


def test_a_list_does_not_grow_without_a_limit():
    with attacked().survives("a list that grows", 32):
        at(6, 0)(ask(long_value_request("leader.replication.throttled.replicas", 0, b"")))
        at(6, 0)(ask(appended(range(10_000, 15_000))))
        at(6, 40)(ask(appended(range(100_000, 105_000))))
        answered(ask(frame(DESCRIBE_CONFIGS, 1, array([i8(2) + string("bad") + i32(-1)]) + i8(0))))


def test_answers_that_would_be_much_larger_than_their_request():
    """One item, requested as often as fits: each answer by itself is correct."""
    with Link(attacked().port) as link:
        joined = link.ask(join_request(group="asked", protocols=[(b"range", bytes(4_000_000))], session_ms=60_000))
        assert (joined.i32(), joined.i16()) == (0, 0)
        generation, _, _, member = joined.i32(), joined.string(), joined.string(), joined.string()
        at(4, 0)(link.ask(frame(SYNC_GROUP, 2, string("asked") + i32(generation) + string(member) + array(
            [string(member) + blob(bytes(1_000_000))]))))
        for n in range(100):
            commit_says(0, "bad")(link.ask(commit_request("offsets", "x" * 4000, partition=n % 2)))
    table = [
        ("a group 10,000 times", frame(DESCRIBE_GROUPS, 0, array([string("asked")] * 10_000)), answered),
        ("a topic's configs 100,000 times", frame(DESCRIBE_CONFIGS, 1, array([i8(2) + string("bad") + i32(-1)] * 100_000)
                                                  + i8(1)), answered),
        ("the broker's configs 100,000 times", frame(DESCRIBE_CONFIGS, 1, array([i8(4) + string("1") + i32(-1)] * 100_000)
                                                     + i8(1)), answered),
        ("a group's offsets 100,000 times", frame(OFFSET_FETCH, 8, uvarint(100_001) + (compact(b"offsets") + b"\0\0")
                                                  * 100_000 + b"\0\0", flexible=True), answered),
    ]
    for row in table:
        run([row], row[0], 100)


def test_clients_that_leave_before_the_answer():
    requests = [
        produce("bad", batch()),
        produce("bad", batch(), acks=0),
        produce("bad", batch()) + produce("bad", batch(crc=1), acks=0) + produce("bad", batch()),
        fetch("bad", max_bytes=HUGE),
        fetch("bad", offset=1 << 40, wait_ms=500),
        list_request(timestamp=1),
        create_request("left", partitions=10),
        configure_request("bad", [("retention.ms", str(10 * HOUR_MS))]),
        configure_request("bad", [(f"key.{n}", "1") for n in range(10_000)]),
        join_request(group="left", session_ms=100),
        commit_request("left"),
        frame(METADATA, 1, array([string(f"left-{n}") for n in range(10)])),
        i32(HUGE),
    ]
    with attacked().survives("clients that leave", 32):
        for repeat in range(4 if quick() else 20):
            for request in requests:
                with Link(attacked().port) as link:
                    link.send(request * (1 + repeat % 3))
                    if repeat % 2:
                        link.end()
                        while link.receive(1):
                            pass


# --- processors ---

def processor(name, **parameters):
    return [(f"processor.{name}.{key.replace('_', '-')}", value) for key, value in parameters.items()]


def test_invalid_processors():
    def where(text):
        return processor("f", type="filter", where=text, output="out")

    def schema(text):
        return processor("v", type="validate", json_schema="inline:" + text)

    deep = '{"items":' * 1000 + "{}" + "}" * 1000
    table = [
        ("parentheses 1,000 deep", where("(" * 1000 + "1" + ")" * 1000)),
        ("brackets 1,000 deep", where("[" * 1000 + "]" * 1000)),
        ("1,000 times not", where("!" * 1000 + "true")),
        ("1,000 times minus", where("-" * 1000 + "1 < 2")),
        ("1,000 conditions", where("true ? " * 1000 + "1" + " : 2" * 1000)),
        ("an expression of 32,000 bytes", where("1+" * 16_000 + "1 > 0")),
        ("an expression that is not UTF-8", where(b"value.a == '\xff\xfe'")),
        ("an expression with a zero", where(b"true\0")),
        ("a pattern 1,000 deep", where(f"matches(value.s, '{'(' * 1000}a{')' * 1000}')")),
        ("a pattern that would be large", where("matches(value.s, '((a{1000}){1000}){1000}')")),
        ("a back reference", where(r"matches(value.s, r'(a)\1')")),
        ("a schema 1,000 deep", schema(deep)),
        ("a schema that is none", schema("{")),
        ("a schema with an unknown keyword", schema('{"mutliple":1}')),
        ("a window without end", processor("a", type="aggregate", group_by="key", select="count() as n",
                                           window="hopping(99999999d; 1ms)", output="out")),
        ("65 processors", [pair for n in range(65)
                           for pair in processor(f"f{n}", type="filter", where="true", output="out")]),
        ("itself as output", processor("f", type="filter", where="true", output="bad")),
    ]
    run([(name, configure_request("bad", configs), at(8, 40)) for name, configs in table], "processors", 64)


def read_all(topic, count, seconds=20):
    """The first `count` records of partition 0, as the raw bytes of their batches."""
    def look():
        error, records = fetched(ask(fetch(topic, max_bytes=50 << 20)))
        return records if error == 0 and records and batches(records) >= count else None
    return wait_until(look, seconds, f"{count} records in {topic}")


def batches(raw):
    """The number of records in complete batches."""
    count, at_byte = 0, 0
    while at_byte + 61 <= len(raw):
        size = 12 + struct.unpack(">i", raw[at_byte + 8:at_byte + 12])[0]
        if at_byte + size > len(raw):
            break
        count += struct.unpack(">i", raw[at_byte + 57:at_byte + 61])[0]
        at_byte += size
    return count


def send_values(topic, values):
    with Link(attacked().port) as link:
        for value in values:
            produce_says(0)(link.ask(produce(topic, batch(record(value=value)))))


def test_records_that_are_not_json():
    create("json", configs=dict(processor("v", type="validate", output="json.good")))
    bad = [b"[" * 1000 + b"]" * 1000, b'{"a":' * 1000 + b"1" + b"}" * 1000, b"[" * 500_000, b"{", b"", b"\xff\xfe",
           b'"\xff"', b'"\xed\xa0\x80"', b'{"a":1,}', b"[1 2]", b"01", b"1e", b'"\\u12"', b'"\\x"', b"nul", b"\0",
           b'"' + b"\\" * 99_999, b"1" * 500_000, b"1e999999999", b"-", b"[1]]"]
    good = [b"[" * 60 + b"]" * 60, b"1" * 300, b'{"a":"' + b"\\u0000" * 10_000 + b'"}', b"1e300",
            json.dumps({str(n): n for n in range(20_000)}).encode()]
    with attacked().survives("records that are not JSON", 150):
        send_values("json", bad + good)
        with Link(attacked().port) as link:
            many = varint(100_000) + (varint(1) + b"a" + varint(-1)) * 100_000
            produce_says(0)(link.ask(produce("json", batch(record(value=b"{", headers=many)))))
        bad.append(b"{")
        letters = read_all("dlq.json", len(bad))
        assert letters.count(b"MALFORMED_JSON") == len(bad), "not one dead letter each"
        assert batches(read_all("json.good", len(good))) == len(good)


def test_patterns_and_expressions_take_linear_time():
    text = "a" * 500_000
    bombs_of = {"star": "(a*)*b", "plus": "(a+)+b", "or": "(a|a)*b", "optional": "(a?){30}a{30}b", "dots": ".*.*.*.*b"}
    configs = []
    for name, pattern in bombs_of.items():
        configs += processor(name, type="filter", where=f"matches(value.s, '{pattern}')", output=f"patterns.{name}")
    large = " + ".join(["value.s"] * 400)
    configs += processor("large", type="filter", where=f"size({large}) > 0", output="patterns.large", on_error="false")
    configs += processor("schema", type="validate", json_schema='inline:{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}')
    create("patterns", configs=dict(configs))
    with attacked().survives("patterns that explode elsewhere", 150):
        before = attacked().cpu_seconds()
        send_values("patterns", [json.dumps({"s": text}).encode(), json.dumps({"s": text[:1000] + "b"}).encode()])
        for name in bombs_of:
            read_all(f"patterns.{name}", 1, seconds=60)
        print(f"      {attacked().cpu_seconds() - before:.1f} CPU seconds")
