"""Kafka's wire format by hand, so that tests can write it wrong on purpose.

    with Link(broker.port) as link:
        reply = link.ask(frame(METADATA, 1, array([string("topic")])))
        # a Reader after the correlation id, or None: the broker closed the connection

It writes only the old encodings, which are not flexible, and a few pieces of others. It checks nothing.
"""
import socket
import struct
import time

PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH = 0, 1, 2, 3, 8, 9
JOIN_GROUP, SYNC_GROUP, DESCRIBE_GROUPS, API_VERSIONS, CREATE_TOPICS = 11, 14, 15, 18, 19
DESCRIBE_CONFIGS, INCREMENTAL_ALTER_CONFIGS = 32, 44
SECONDS = 20


def i8(v):
    return struct.pack(">b", v)


def i16(v):
    return struct.pack(">h", v)


def i32(v):
    return struct.pack(">i", v)


def i64(v):
    return struct.pack(">q", v)


def string(text):
    if text is None:
        return i16(-1)
    raw = text if isinstance(text, bytes) else text.encode()
    return i16(len(raw)) + raw


def blob(raw):
    return i32(-1) if raw is None else i32(len(raw)) + raw


def array(elements):
    return i32(len(elements)) + b"".join(elements)


def uvarint(v):
    out = bytearray()
    while v > 0x7f:
        out.append(v & 0x7f | 0x80)
        v >>= 7
    return bytes(out) + bytes([v])


def varint(v):
    return uvarint(v << 1 if v >= 0 else (-v << 1) - 1)


def compact(raw):
    return uvarint(len(raw) + 1) + raw


def header(api, version, correlation=1, client="bad", flexible=False):
    return i16(api) + i16(version) + i32(correlation) + string(client) + (b"\0" if flexible else b"")


def sized(payload):
    return i32(len(payload)) + payload


def frame(api, version, body=b"", correlation=1, client="bad", flexible=False):
    return sized(header(api, version, correlation, client, flexible) + body)


def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        table.append(n)
    return table


CRC32C = crc32c_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def record(index=0, key=b"k", value=b"v", timestamp_delta=0, headers=b"\0", size=None, key_size=None):
    """One record, which claims `size` and `key_size`."""
    body = b"\0" + varint(timestamp_delta) + varint(index)
    for content, claimed in ((key, key_size), (value, None)):
        honest = -1 if content is None else len(content)
        body += varint(honest if claimed is None else claimed) + (content or b"")
    body += headers
    return varint(len(body) if size is None else size) + body


def batch(records=None, count=1, last=None, attributes=0, magic=2, crc=None, size_error=0,
          time_ms=None, producer=(-1, -1, -1)):
    """One batch. `records` is its body, unchanged; `size_error` is added to the length field."""
    body = record() if records is None else records
    now = int(time.time() * 1000) if time_ms is None else time_ms
    checked = (i16(attributes) + i32(count - 1 if last is None else last) + i64(now) + i64(now)
               + struct.pack(">qhi", *producer) + i32(count) + body)
    rest = i32(-1) + struct.pack(">bI", magic, crc32c(checked) if crc is None else crc) + checked
    return i64(0) + i32(len(rest) + size_error) + rest


def produce(topic, records, acks=-1, version=7, correlation=1, partition=0):
    """A whole Produce request for one partition, version 3 to 8."""
    body = (string(None) + i16(acks) + i32(10000)
            + array([string(topic) + array([i32(partition) + blob(records)])]))
    return frame(PRODUCE, version, body, correlation)


def fetch(topic, offset=0, max_bytes=1 << 20, correlation=1, wait_ms=0):
    """A whole Fetch request of version 4 for partition 0."""
    body = (i32(-1) + i32(wait_ms) + i32(1) + i32(max_bytes) + i8(0)
            + array([string(topic) + array([i32(0) + i64(offset) + i32(max_bytes)])]))
    return frame(FETCH, 4, body, correlation)


class Reader:
    """Reads a reply from start to end. A reply that is too short is an error of the broker."""

    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, size):
        assert 0 <= size <= len(self.raw) - self.at, "the reply ends too early"
        self.at += size
        return self.raw[self.at - size:self.at]

    def i8(self):
        return struct.unpack(">b", self.take(1))[0]

    def i16(self):
        return struct.unpack(">h", self.take(2))[0]

    def i32(self):
        return struct.unpack(">i", self.take(4))[0]

    def i64(self):
        return struct.unpack(">q", self.take(8))[0]

    def string(self):
        size = self.i16()
        return None if size < 0 else self.take(size).decode("utf-8", "replace")

    def blob(self):
        size = self.i32()
        return None if size < 0 else self.take(size)

    def array(self, element):
        return [element(self) for _ in range(self.i32())]


class Link:
    """One connection. Every wait has a deadline."""

    def __init__(self, port, receive_bytes=None, seconds=SECONDS):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(seconds)
        # The connection ends with a reset, so that thousands of them leave no TIME_WAIT.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.socket.close()

    def send(self, raw):
        """False if the broker has closed the connection meanwhile, which it may do."""
        try:
            self.socket.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def end(self):
        """Ends the client's direction of the connection."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed already

    def receive(self, size):
        """Reads this many bytes. None if the connection is closed before the first."""
        parts, got = [], 0
        while got < size:
            try:
                part = self.socket.recv(min(size - got, 1 << 20))
            except ConnectionResetError:
                part = b""
            except socket.timeout:
                raise AssertionError("neither an answer nor an end") from None
            if not part:
                assert got == 0, "a reply was cut"
                return None
            parts.append(part)
            got += len(part)
        return b"".join(parts)

    def read(self, correlation=1):
        """The next reply after its correlation id, or None if the connection ends here."""
        size = self.receive(4)
        if size is None:
            return None
        raw = self.receive(struct.unpack(">i", size)[0])
        reply = Reader(raw)
        assert reply.i32() == correlation, f"a reply for another request: {raw[:4]}"
        return reply

    def ask(self, request, correlation=1):
        self.send(request)
        return self.read(correlation)
