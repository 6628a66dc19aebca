"""Less obvious rules for connections: the advertised APIs, the reasons to close a connection, idleness."""
import re
import socket
import struct
import time

from broker import Broker
from wire import APIS, Cut, Wire, make_batch

NONE, UNSUPPORTED_VERSION, INVALID_REQUEST = 0, 35, 42


def cut(wire):
    """Whether the broker closes the connection without an answer."""
    try:
        wire.read_frame()
        return False
    except Cut:
        return True


def test_only_supported_apis_are_advertised():
    """Transactions, the newer group protocols and share groups are not supported. Clients depend on this list."""
    with Broker() as broker, Wire(broker.port) as wire:
        answer = wire.ask("ApiVersions", 4, client_software_name="c", client_software_version="1")
        levels = {f.name: f.max_version_level for f in answer.finalized_features}
        for feature in ("transaction.version", "group.version", "share.version", "streams.version"):
            assert levels.get(feature, 0) == 0, levels
        assert answer.finalized_features_epoch >= 0
        keys = {a.api_key: a.max_version for a in answer.api_keys}
        assert not set(keys) & {24, 25, 26, 28, 57, 68, 69, 76, 77, 78, 79, 71, 72}
        assert keys == {api.key: keys[api.key] for api in APIS.values()}
        assert (keys[0], keys[1], keys[8], keys[9]) == (11, 17, 9, 9)


def test_apis_and_versions_that_are_not_advertised_close_the_connection():
    with Broker(shards=2) as broker, Wire(broker.port) as other:
        for key, version in ((69, 0), (57, 0), (68, 0), (24, 0), (26, 0), (28, 0), (76, 1), (0, 13), (1, 18),
                             (8, 10), (9, 10), (2, 11), (2, 0)):
            with Wire(broker.port) as wire:
                wire.send_frame(struct.pack(">hhih", key, version, 1, 0) + b"\0" * 60)
                assert cut(wire), (key, version)
        assert other.metadata().brokers  # other clients are not affected


def test_requests_that_cannot_be_parsed_close_the_connection():
    with Broker(shards=2) as broker, Wire(broker.port) as other:
        header = struct.pack(">hhih", 3, 4, 1, 0)
        for body in (b"", b"\0\0\0\5", b"\0\0\0\1\0\7abc", b"\x7f\xff\xff\xff\0\0", b"\0\0\0\1\xff\xfe\0"):
            with Wire(broker.port) as wire:
                wire.send_frame(header + body)
                assert cut(wire), body
        for size in (-1, 0x7fffffff, 104_857_601):
            with Wire(broker.port) as wire:
                wire.send_bytes(struct.pack(">i", size) + b"\0" * 8)
                assert cut(wire), size
        assert other.metadata().brokers


def test_a_transactional_id_is_unsupported_and_an_empty_one_is_invalid():
    with Broker() as broker, Wire(broker.port) as wire:
        got = wire.ask("InitProducerId", 4, transactional_id="tx", transaction_timeout_ms=60_000)
        assert got.error_code == UNSUPPORTED_VERSION and got.producer_id == -1
        got = wire.ask("InitProducerId", 4, transactional_id="", transaction_timeout_ms=60_000)
        assert got.error_code == INVALID_REQUEST


def test_producers_may_ask_for_their_id_before_or_after_metadata():
    with Broker(shards=4) as broker:
        given = set()
        for first in ("id", "metadata"):
            with Wire(broker.port) as wire:
                if first == "metadata":
                    assert wire.metadata("t", create=True).topics[0].error_code == NONE
                producer = wire.ask("InitProducerId", 5, transaction_timeout_ms=1).producer_id
                if first == "id":
                    assert wire.metadata("t", create=True).topics[0].error_code == NONE
                batch = make_batch([b"a"], producer=producer, epoch=0, sequence=0)
                assert wire.produce("t", batch).error_code == NONE
                given.add(producer)
        assert len(given) == 2


def test_idle_connections_are_closed_and_waiting_ones_stay():
    with Broker(shards=2, settings={"connections.max.idle.ms": 1000}) as broker, Wire(broker.port) as idle, Wire(
            broker.port) as waiting, Wire(broker.port) as busy:
        busy.create("t")
        waiting.send_fetch("t", wait_ms=60_000)
        idle.socket.settimeout(0.1)
        gone = False
        deadline = time.monotonic() + 20
        while not gone and time.monotonic() < deadline:
            assert busy.metadata("t").topics[0].error_code == NONE
            try:
                gone = cut(idle)
            except socket.timeout:
                pass
        assert gone and waiting.silent()
        busy.produce("t", make_batch([b"a"]))
        assert waiting.receive().responses[0].partitions[0].records


def addresses_told(wire):
    """Every address that the broker gives of itself."""
    told = [(b.host, b.port) for b in wire.metadata().brokers]
    told += [(b.host, b.port) for b in wire.ask("DescribeCluster", 1).brokers]
    one = wire.ask("FindCoordinator", 3, key="g")
    told += [(one.host, one.port)]
    told += [(c.host, c.port) for c in wire.ask("FindCoordinator", 4, coordinator_keys=["g", "h"]).coordinators]
    assert len(told) == 5, told
    return set(told)


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for one in sockets:
        one.close()
    return ports


def test_clients_of_each_listener_get_its_own_address():
    first, second = free_ports(2)
    settings = {"listeners": f"PLAINTEXT://127.0.0.1:{first},INTERNAL://127.0.0.1:{second}",
                "listener.security.protocol.map": "INTERNAL:PLAINTEXT",
                "advertised.listeners": "PLAINTEXT://kafka.example.org:9092,INTERNAL://inside.example.org:19093"}
    with Broker(shards=2, settings=settings), Wire(first) as outside, Wire(second) as inside:
        for _ in range(2):
            assert addresses_told(outside) == {("kafka.example.org", 9092)}
            assert addresses_told(inside) == {("inside.example.org", 19093)}


def test_each_listener_with_port_0_advertises_its_chosen_port():
    settings = {"listeners": "PLAINTEXT://127.0.0.1:0,INTERNAL://127.0.0.1:0,LOCAL://127.0.0.1:0",
                "listener.security.protocol.map": "INTERNAL:PLAINTEXT,LOCAL:PLAINTEXT",
                "advertised.listeners": "LOCAL://localhost:7777"}
    with Broker(settings=settings) as broker:
        said = dict(re.findall(r"(\w+)://127\.0\.0\.1:(\d+)", broker.log_text()))
        assert len(set(said.values()) - {"0"}) == 3, said
        for name, port in said.items():
            with Wire(int(port)) as wire:
                assert addresses_told(wire) == {("localhost", 7777) if name == "LOCAL" else ("127.0.0.1", int(port))}
