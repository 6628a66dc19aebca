"""A client of the Kafka protocol on one connection, one request at a time or many at once.

    with Wire(broker.port) as wire:
        answer = wire.ask("JoinGroup", 5, group_id="g", session_timeout_ms=10_000, ...)
        assert answer.error_code == 79

Fields are those of protocol/messages/*.msg; omitted fields have their default. Other tests compare the encoding with
other clients' bytes. This module is for tests of the broker's behaviour. Classes of kafka.protocol (kafka-python)
are sent with ask_object(), raw bytes with send_bytes(). make_batch() and records_of() make and read record batches.
"""
import io
import pathlib
import re
import socket
import struct
import types
import uuid as uuids

from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import calc_crc32c

MESSAGES = pathlib.Path(__file__).resolve().parents[2] / "protocol" / "messages"
FIELD = re.compile(r"(?P<name>\w+) +(?P<array>\[\])?(?P<type>[a-z0-9]+|\{\})?(?P<null>\?[0-9+-]*)?"
                   r"(?: +(?P<versions>[0-9][0-9+-]*))?(?: += *(?P<default>\S+))?(?: +tag (?P<tag>\d+))?$")
NUMBERS = {"bool": ">?", "int8": ">b", "int16": ">h", "int32": ">i", "int64": ">q", "float64": ">d"}
NO_UUID = uuids.UUID(int=0)
SECONDS = 30
EARLIEST, LATEST, MAX_TIMESTAMP = -2, -1, -3


class Cut(Exception):
    """The broker closed the connection."""


def in_range(text, version):
    if not text:
        return True
    first, _, last = text.partition("-")
    if first.endswith("+"):
        return version >= int(first[:-1])
    return int(first) <= version <= int(last or first)


class Field:
    def __init__(self, match):
        self.name, self.type, self.versions = match["name"], match["type"] or "{}", match["versions"]
        self.array, self.tag = bool(match["array"]), int(match["tag"]) if match["tag"] else None
        self.null, self.fields = match["null"], []
        self.default = match["default"]

    def default_value(self):
        if self.array:
            return []
        if self.type in NUMBERS:
            return int(self.default or "0", 0) if self.default not in ("true", "false") else self.default == "true"
        if self.null:
            return None
        return {"string": "", "bytes": b"", "records": b"", "uuid": NO_UUID, "{}": {}}[self.type]


class Api:
    def __init__(self, path):
        self.request, self.response = [], []
        stack = []
        for line in path.read_text(encoding="ascii").splitlines():
            words = line.split("#")[0].rstrip()
            if words.startswith("api "):
                _, self.name, key, *rest = words.split()
                self.key = int(key)
                flexible = rest[rest.index("flexible") + 1]
                self.flexible = 1000 if flexible == "never" else int(flexible[:-1])
            elif words in ("request", "response"):
                stack = [getattr(self, words)]
            elif words:
                depth = (len(words) - len(words.lstrip())) // 4
                field = Field(FIELD.match(words.strip()))
                del stack[depth:]
                stack[depth - 1].append(field)
                stack.append(field.fields)


APIS = {api.name: api for api in map(Api, sorted(MESSAGES.glob("*.msg")))}


def uvarint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def read_uvarint(stream):
    number = shift = 0
    while True:
        byte = stream.read(1)[0]
        number |= (byte & 127) << shift
        if byte < 128:
            return number
        shift += 7


class Codec:
    """Encodes and decodes the fields of one version of one API."""

    def __init__(self, api, version):
        self.version, self.flexible = version, version >= api.flexible

    def length(self, size, short):
        if self.flexible:
            return uvarint(0 if size is None else size + 1)
        return struct.pack(">h" if short else ">i", -1 if size is None else size)

    def read_length(self, stream, short):
        if self.flexible:
            return read_uvarint(stream) - 1
        return struct.unpack(">h" if short else ">i", stream.read(2 if short else 4))[0]

    def pack_one(self, field, value):
        if field.type == "{}":
            return self.pack(field.fields, value)
        if field.type in NUMBERS:
            return struct.pack(NUMBERS[field.type], value)
        if field.type == "uuid":
            return value.bytes
        data = value.encode() if isinstance(value, str) else value
        return self.length(None if data is None else len(data), field.type == "string") + (data or b"")

    def pack_field(self, field, value):
        if not field.array:
            return self.pack_one(field, value)
        head = self.length(None if value is None else len(value), False)
        return head + b"".join(self.pack_one(field, item) for item in value or ())

    def pack(self, fields, values):
        values = dict(values)
        out, tagged = b"", {}
        for field in fields:
            given = field.name in values
            value = values.pop(field.name) if given else field.default_value()
            if not in_range(field.versions, self.version):
                continue
            if field.tag is None:
                out += self.pack_field(field, value)
            elif given:
                tagged[field.tag] = self.pack_field(field, value)
        assert not values, f"no such fields: {list(values)}"
        if self.flexible:
            out += uvarint(len(tagged))
            out += b"".join(uvarint(t) + uvarint(len(d)) + d for t, d in sorted(tagged.items()))
        return out

    def read_one(self, field, stream):
        if field.type == "{}":
            return self.read(field.fields, stream)
        if field.type in NUMBERS:
            return struct.unpack(NUMBERS[field.type], stream.read(struct.calcsize(NUMBERS[field.type])))[0]
        if field.type == "uuid":
            return uuids.UUID(bytes=stream.read(16))
        size = self.read_length(stream, field.type == "string")
        if size < 0:
            return None
        data = stream.read(size)
        return data.decode() if field.type == "string" else data

    def read_field(self, field, stream):
        if not field.array:
            return self.read_one(field, stream)
        size = self.read_length(stream, False)
        return None if size < 0 else [self.read_one(field, stream) for _ in range(size)]

    def read(self, fields, stream):
        present = [f for f in fields if in_range(f.versions, self.version)]
        values = {f.name: self.read_field(f, stream) if f.tag is None else f.default_value() for f in present}
        for _ in range(read_uvarint(stream) if self.flexible else 0):
            tag, size = read_uvarint(stream), read_uvarint(stream)
            data = io.BytesIO(stream.read(size))
            for field in present:
                if field.tag == tag:
                    values[field.name] = self.read_field(field, data)
        return types.SimpleNamespace(**values)


class Wire:
    def __init__(self, port, client_id="wire"):
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client_id = client_id
        self.correlation = 0
        self.asked = []  # open requests: (correlation id, API or class, version)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send_frame(self, data):
        self.send_bytes(struct.pack(">i", len(data)) + data)

    def _header(self, key, version, flexible=False):
        self.correlation += 1
        name = self.client_id.encode()
        return (struct.pack(">hhih", key, version, self.correlation, len(name)) + name +
                (b"\0" if flexible else b""))

    def send(self, name, version, **fields):
        """Sends and does not wait. receive() gives the answers, in the order of sending."""
        api = APIS[name]
        codec = Codec(api, version)
        self.send_frame(self._header(api.key, version, codec.flexible) + codec.pack(api.request, fields))
        self.asked.append((self.correlation, api, version))

    def read_frame(self):
        """The next frame without its length. Raises Cut if the broker closes the connection instead."""
        data = b""
        size = 4
        while len(data) < size:
            try:
                part = self.socket.recv(min(size - len(data), 1 << 20))
            except ConnectionResetError:
                part = b""
            if not part:
                raise Cut()
            data += part
            if size == 4 and len(data) == 4:
                size = 4 + struct.unpack(">i", data)[0]
        return data[4:]

    def receive(self):
        stream = io.BytesIO(self.read_frame())
        correlation, api, version = self.asked.pop(0)
        got = struct.unpack(">i", stream.read(4))[0]
        assert got == correlation, f"answer to request {got}, expected the one to {correlation}"
        if isinstance(api, type):
            return api.decode(stream)
        codec = Codec(api, version)
        if codec.flexible and api.name != "ApiVersions":
            assert stream.read(1) == b"\0"
        answer = codec.read(api.response, stream)
        rest = stream.read()
        assert not rest, f"{len(rest)} bytes behind the answer to {api.name} v{version}"
        return answer

    def ask(self, name, version, **fields):
        self.send(name, version, **fields)
        return self.receive()

    def ask_object(self, request):
        """Sends an object of kafka-python's classes; the answer is one of its RESPONSE_TYPE."""
        self.send_frame(self._header(request.API_KEY, request.API_VERSION) + request.encode())
        self.asked.append((self.correlation, request.RESPONSE_TYPE, None))
        return self.receive()

    def silent(self, seconds=0.2):
        """Whether the connection stays open without a byte for this long."""
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1)
            return False
        except socket.timeout:
            return True
        finally:
            self.socket.settimeout(SECONDS)

    # Short forms for many tests.

    def create(self, topic, partitions=1, version=5, **configs):
        answer = self.ask("CreateTopics", version, topics=[{
            "name": topic, "num_partitions": partitions, "replication_factor": 1,
            "configs": [{"name": k.replace("_", "."), "value": str(v)} for k, v in configs.items()]}])
        assert answer.topics[0].error_code == 0, answer.topics[0]
        return answer.topics[0]

    def produce(self, topic, batch, partition=0, acks=-1, version=8):
        """Sends one batch; the answer for its partition, None for acks=0."""
        fields = {"acks": acks, "timeout_ms": 30_000,
                  "topic_data": [{"name": topic, "partition_data": [{"index": partition, "records": batch}]}]}
        self.send("Produce", version, **fields)
        if acks == 0:
            self.asked.pop()
            return None
        return self.receive().responses[0].partition_responses[0]

    def send_fetch(self, topic, offset=0, partition=0, version=11, wait_ms=0, min_bytes=1, max_bytes=1 << 20,
                   partition_max_bytes=1 << 20, topic_id=NO_UUID, **more):
        self.send("Fetch", version, **dict({
            "replica_id": -1, "max_wait_ms": wait_ms, "min_bytes": min_bytes, "max_bytes": max_bytes,
            "topics": [{"topic": topic, "topic_id": topic_id, "partitions": [{
                "partition": partition, "fetch_offset": offset,
                "partition_max_bytes": partition_max_bytes}]}]}, **more))

    def fetch(self, topic, offset=0, **more):
        """The answer for the one requested partition."""
        self.send_fetch(topic, offset, **more)
        return self.receive().responses[0].partitions[0]

    def list_offset(self, topic, timestamp, partition=0, version=10):
        return self.ask("ListOffsets", version, replica_id=-1, topics=[{"name": topic, "partitions": [
            {"partition_index": partition, "timestamp": timestamp}]}]).topics[0].partitions[0]

    def metadata(self, *topics, version=12, create=False):
        return self.ask("Metadata", version, topics=[{"name": t} for t in topics],
                        allow_auto_topic_creation=create)


def make_batch(values, timestamps=None, codec=0, producer=-1, epoch=-1, sequence=-1, keys=None,
               headers=None):
    """The bytes of one batch. codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. timestamps, keys, headers: one per value.
    """
    builder = DefaultRecordBatchBuilder(2, codec, 0, producer, epoch, sequence, 1 << 30)
    for number, value in enumerate(values):
        builder.append(number, timestamps[number] if timestamps else 1_700_000_000_000 + number,
                       keys[number] if keys else None, value, headers[number] if headers else [])
    data = bytearray(builder.build())
    # The builder writes producer, epoch and sequence only for its own kind of transaction, so they are set here.
    struct.pack_into(">qhi", data, 43, producer, epoch, sequence)
    struct.pack_into(">I", data, 17, calc_crc32c(bytes(data[21:])))
    return bytes(data)


def records_of(data):
    """Every whole record in the data of a Fetch answer, as kafka-python reads it."""
    out = []
    memory = MemoryRecords(data or b"")
    while memory.has_next():
        out += list(memory.next_batch())
    return out
