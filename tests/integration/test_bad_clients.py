"""Misbehaving clients: half-open, slow, silent, not reading, stopped, in thousands.

The cost of each client is bounded, and the broker must still serve a client beside them (harness/attack.py). Their
bytes are mostly valid; test_bad_input.py sends invalid bytes.
"""
import os
import resource
import select
import signal
import subprocess
import sys
import time

from attack import MEGABYTE, Attacked
from broker import quick, wait_until
from raw_wire import (DESCRIBE_CONFIGS, METADATA, Link, array, batch, fetch, frame, header, i8, i32, produce, record,
                      sized, string)

# Each needs a descriptor here and one in the broker. Both processes may have as many as the system permits.
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
HALF_OPEN = min(10_000, DESCRIPTORS * 3 // 4 - 300)
HUGE = 0x7fffffff
STALL_SECONDS = 0.5  # the broker does not read from a socket that takes nothing for this long

the_broker = None


def attacked():
    global the_broker
    if the_broker is None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        the_broker = Attacked(descriptors=DESCRIPTORS, shards=2)
        the_broker.start()
        reply = ask(frame(METADATA, 1, array([string("large")])))
        assert reply is not None
        fill("large", 8)
    return the_broker


def finish():
    if the_broker is not None:
        the_broker.__exit__(None, None, None)


def ask(request):
    with Link(attacked().port) as link:
        return link.ask(request)


def fill(topic, megabytes):
    """Produces batches of half a megabyte."""
    one = produce(topic, batch(record(value=bytes(MEGABYTE // 2))))
    with Link(attacked().port) as link:
        for _ in range(2 * megabytes):
            assert link.ask(one) is not None


class Crowd:
    """Many connections at once. At its end all of them must be gone, also in the broker, unless it leaves traces."""

    def __init__(self, count, receive_bytes=None, leaves_traces=False):
        self.links = []
        self.leaves_traces = leaves_traces
        self.descriptors = attacked().descriptors()
        for _ in range(count):
            self.links.append(Link(attacked().port, receive_bytes))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for link in self.links:
            link.socket.close()
        if self.leaves_traces:
            return
        # If the broker does not read a connection at the moment, it notices the end only when it closes the connection
        # itself.
        wait_until(lambda: attacked().descriptors() < self.descriptors + 20, 30, "their ends to be noticed")


def send_while_taken(jobs, seconds=20):
    """Sends to many connections at once until all is sent, or no more is taken. Returns the rest.

    `jobs` is {Link: bytes}. A connection that the broker closes is done.
    """
    left = {link.socket: memoryview(raw) for link, raw in jobs.items()}
    deadline = time.monotonic() + seconds
    for link in left:
        link.setblocking(False)
    while left and time.monotonic() < deadline:
        poll = select.poll()
        of = {s.fileno(): s for s in left}
        for descriptor in of:
            poll.register(descriptor, select.POLLOUT)
        ready = poll.poll(STALL_SECONDS * 1000)
        if not ready:
            break
        for descriptor, _ in ready:
            s = of[descriptor]
            try:
                left[s] = left[s][s.send(left[s][:MEGABYTE]):]
            except BlockingIOError:
                continue
            except OSError:
                left[s] = left[s][:0]
            if not left[s]:
                del left[s]
    for link in jobs:
        link.socket.setblocking(True)
        link.socket.settimeout(20)
    return {link: bytes(left[link.socket]) for link in jobs if link.socket in left}


LARGE_FRAME = i32(100 * MEGABYTE) + header(0, 7)


def test_frames_of_100_mib_that_never_arrive():
    with attacked().survives("200 frames declared", 48), Crowd(200) as crowd:
        for link in crowd.links:
            link.send(LARGE_FRAME)
        for _ in range(20):
            attacked().bystander.check()


def test_small_frames_that_never_end():
    raw = i32(16_000) + header(METADATA, 1) + bytes(15_000)
    with attacked().survives("2,000 unfinished frames", 100), Crowd(2000) as crowd:
        for link in crowd.links:
            link.send(raw)
        attacked().bystander.check()


def test_ten_thousand_half_open_connections():
    beginnings = [b"", b"\0", b"\0\0\0", i32(1000), sized(header(METADATA, 1))[:-1], LARGE_FRAME]
    with attacked().survives(f"{HALF_OPEN} half-open connections", 150), Crowd(HALF_OPEN) as crowd:
        for n, link in enumerate(crowd.links):
            link.send(beginnings[n % len(beginnings)])
        # The last one is served, so all earlier ones were accepted.
        with Link(attacked().port) as link:
            assert link.ask(frame(METADATA, 1, i32(0))) is not None
        assert attacked().descriptors() > HALF_OPEN
        slowest = max(attacked().bystander.check() for _ in range(50))
        print(f"      slowest of 50 beside them: {slowest * 1000:.0f} ms")


def test_slow_writers():
    """Two hundred clients send a byte each in turn. All get answers, and no other client waits for them."""
    raw = frame(METADATA, 1, array([string("bystander")]))
    with attacked().survives("slow writers", 32), Crowd(200) as crowd:
        for n in range(len(raw)):
            for link in crowd.links:
                link.send(raw[n:n + 1])
            attacked().bystander.check()
        for link in crowd.links:
            assert link.read() is not None


def test_a_client_that_never_reads_its_fetches():
    """It requests gigabytes. When it reads at last, it gets all answers, in order."""
    count = 200_000
    one = fetch("large", 3, MEGABYTE // 2)
    requests = b"".join(one[:8] + i32(n) + one[12:] for n in range(count))
    with attacked().survives("fetches that nobody reads", 200):
        with Link(attacked().port, receive_bytes=4096) as link:
            left = send_while_taken({link: requests})
            assert left, "all requests were taken although no answer was read"
            attacked().bystander.check()
            taken = (len(requests) - len(left[link])) // len(one)
            for n in range(200):
                assert link.read(n) is not None
        print(f"      {taken} of {count} requests were taken")


def test_clients_that_never_read_large_answers():
    """Answers in memory: the configs of a broker, thousands of times, on many connections."""
    request = frame(DESCRIBE_CONFIGS, 1, array([i8(4) + string("1") + i32(-1)]) + i8(1))
    with attacked().survives("100 clients that read nothing", 450), Crowd(100, 4096) as crowd:
        send_while_taken({link: request * 2000 for link in crowd.links})
        slowest = max(attacked().bystander.check() for _ in range(20))
        print(f"      slowest of 20 beside them: {slowest * 1000:.0f} ms")


def test_ten_thousand_requests_in_one_go():
    count = 10_000
    requests = b"".join(frame(METADATA, 1, array([string("bystander")]), correlation=n) for n in range(count))
    with attacked().survives("10,000 requests in one go", 100), Link(attacked().port) as link:
        left = send_while_taken({link: requests}).get(link, b"")
        attacked().bystander.check()
        at = 0
        while left:
            assert link.read(at) is not None
            at += 1
            link.socket.setblocking(False)
            try:
                left = left[link.socket.send(left):]
            except BlockingIOError:
                pass
            link.socket.setblocking(True)
        for n in range(at, count):
            assert link.read(n) is not None, f"no answer to request {n}"


def test_storms_of_connections():
    request = frame(METADATA, 1, i32(-1))
    with attacked().survives("5,000 connections that come and go", 64):
        for n in range(5000):
            link = Link(attacked().port)
            if n % 4 == 1:
                link.send(request)
            elif n % 4 == 2:
                link.send(request[:n % len(request)])
            elif n % 4 == 3:
                link.end()
            link.socket.close()
            if n % 500 == 0:
                attacked().bystander.check()
        wait_until(lambda: attacked().descriptors() < 100, 20, "their ends to be noticed")


READ_FOREVER = """
import sys
sys.path.insert(0, sys.argv[1])
from raw_wire import Link, fetch
with Link(int(sys.argv[2])) as link:
    for n in range(2000):
        link.send(fetch("large", n % 16, correlation=n))
        assert link.read(n) is not None
        if n % 100 == 0:
            print(n, flush=True)
"""


def test_a_stopped_client_continues_later():
    harness = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "harness")
    with attacked().survives("a stopped client", 64):
        client = subprocess.Popen([sys.executable, "-c", READ_FOREVER, harness, str(attacked().port)],
                                  stdout=subprocess.PIPE)
        try:
            assert client.stdout.readline() == b"0\n"
            client.send_signal(signal.SIGSTOP)
            for _ in range(100):
                attacked().bystander.check()
            client.send_signal(signal.SIGCONT)
            assert client.wait(60) == 0
        finally:
            client.kill()
            client.stdout.close()
            client.wait()


def test_clients_cannot_take_all_descriptors():
    """The remaining descriptors are for files. The next client waits, no thread spins, and it is served when others
    have left."""
    with Attacked(descriptors=200, shards=1) as broker:
        links = []
        try:
            for _ in range(300):
                links.append(Link(broker.port))
            links[-1].socket.sendall(frame(METADATA, 1, i32(0)))
            before, started = broker.cpu_seconds(), time.monotonic()
            while time.monotonic() < started + 1:
                broker.bystander.check()
            spent = broker.cpu_seconds() - before
            print(f"      {broker.bystander.count} records, {spent:.2f} CPU seconds in a second")
            links[-1].socket.settimeout(0.1)
            try:
                links[-1].socket.recv(1)
                assert False, "the 300th client was served"
            except TimeoutError:
                pass
            assert "too many connections: new clients wait" in broker.log_text()
        finally:
            for link in links:
                link.socket.close()

        def connects():
            with Link(broker.port) as link:
                return link.ask(frame(METADATA, 1, i32(0)))
        wait_until(connects, 20, "a new client to be served")


def test_large_frames_that_never_end():
    """Each frame lacks its last byte. The broker does not read clients that wait for room; the others continue.

    This is the last test: when such clients leave, the broker notices it only when it closes them, within 15
    seconds."""
    raw = LARGE_FRAME + bytes(90 * MEGABYTE)
    with attacked().survives("1.8 GiB of unfinished frames", 700), Crowd(20, leaves_traces=quick()) as crowd:
        left = send_while_taken({link: raw for link in crowd.links})
        assert left, "everything was taken"
        attacked().bystander.check()
        ask(produce("large", batch(record(value=bytes(10_000)))))
