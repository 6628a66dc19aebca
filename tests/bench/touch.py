"""A producer that touches many partitions: each request has a batch for each of 250 partitions.

A client library sends to the partitions that its partitioner chooses, so it takes long to reach all of 10,000."""
import socket
import struct
import threading
import time

PARTITIONS_PER_REQUEST = 250
REQUESTS_AHEAD = 4


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def varint(number):
    number <<= 1
    out = b''
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def make_batch(size):
    """One batch with one record of `size` bytes."""
    now = int(time.time() * 1000)
    record = b'\0' + varint(0) + varint(0) + b'\1' + varint(size) + b'x' * size + b'\0'
    rest = struct.pack('>hiqqqhii', 0, 0, now, now, -1, -1, -1, 1) + varint(len(record)) + record
    return struct.pack('>qiib', 0, 9 + len(rest), 0, 2) + struct.pack('>I', crc32c(rest)) + rest


def make_request(topic, first, count, batch):
    """Produce v8 with acks=all."""
    name = topic.encode()
    partitions = b''.join(struct.pack('>ii', i, len(batch)) + batch for i in range(first, first + count))
    body = struct.pack('>hhi', -1, -1, 30000) + struct.pack('>ih', 1, len(name)) + name
    frame = struct.pack('>hhih', 0, 8, 1, 1) + b't' + body + struct.pack('>i', count) + partitions
    return struct.pack('>i', len(frame)) + frame


class Touch(threading.Thread):
    """Produces to all partitions of the topics, `rounds` times or until the connection ends."""

    def __init__(self, port, topics, partitions, rounds=1 << 60):
        super().__init__(daemon=True)
        batch = make_batch(100)
        self.rounds, self.done, self.waiting = rounds, 0, 0
        self.socket = socket.create_connection(('127.0.0.1', port))
        self.requests = [make_request(topic, first, min(PARTITIONS_PER_REQUEST, partitions - first), batch)
                         for topic in topics for first in range(0, partitions, PARTITIONS_PER_REQUEST)]

    def take(self, size):
        while size > 0:
            part = self.socket.recv(min(size, 1 << 16))
            if not part:
                raise ConnectionError
            size -= len(part)
        return part

    def answer(self):
        head = b''
        while len(head) < 4:
            head += self.take(1)
        self.take(struct.unpack('>i', head)[0])
        self.waiting -= 1

    def run(self):
        try:
            while self.done < self.rounds:
                for request in self.requests:
                    self.socket.sendall(request)
                    self.waiting += 1
                    if self.waiting > REQUESTS_AHEAD:
                        self.answer()
                while self.waiting > 0:
                    self.answer()
                self.done += 1
        except OSError:
            pass
        self.socket.close()
