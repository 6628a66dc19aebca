"""Less obvious rules for topics: ready at the answer, ids, deletion, the exact words of refusals."""
import subprocess

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from broker import Broker
from wire import Cut, LATEST, NO_UUID, Wire, make_batch, records_of

NONE, UNKNOWN_TOPIC, INVALID_TOPIC = 0, 3, 17
EXISTS, INVALID_PARTITIONS, INVALID_REPLICATION, INVALID_ASSIGNMENT = 36, 37, 38, 39
INVALID_CONFIG, INVALID_REQUEST, UNKNOWN_TOPIC_ID = 40, 42, 100


def create(wire, version=7, validate_only=False, **topic):
    """The answer for one topic, unchanged."""
    topic = dict({"name": "t", "num_partitions": 1, "replication_factor": 1}, **topic)
    return wire.ask("CreateTopics", version, topics=[topic], validate_only=validate_only).topics[0]


def config(name, value):
    return {"configs": [{"name": name, "value": value}]}


def test_fifty_topics_can_be_written_at_once_by_an_idempotent_producer():
    for shards in (1, 4):
        with Broker(shards=shards) as broker:
            admin = AdminClient({"bootstrap.servers": broker.address})
            failed, taken = [], []

            def delivered(error, message):
                if error is None:
                    taken.append((message.topic(), message.offset()))
                else:
                    failed.append((message.topic(), error))
            producer = confluent_kafka.Producer({
                "bootstrap.servers": broker.address, "enable.idempotence": True, "linger.ms": 0,
                "retries": 1, "message.timeout.ms": 10_000})
            for n in range(50):
                name = f"topic-{n}"
                admin.create_topics([NewTopic(name, 3, 1)])[name].result(20)
                producer.produce(name, b"first", partition=n % 3, on_delivery=delivered)
                producer.poll(0)
            assert producer.flush(20) == 0
            assert not failed, failed[:3]
            assert sorted(taken) == sorted((f"topic-{n}", 0) for n in range(50))


def test_every_partition_accepts_batches_right_after_the_answer():
    """Also on another connection than the request's, and also for ListOffsets and Fetch."""
    with Broker(shards=4) as broker, Wire(broker.port) as admin, Wire(broker.port) as wire:
        for n in range(50):
            name = f"t{n}"
            admin.create(name, 8)
            for partition in (0, 3, 7):
                batch = make_batch([b"x"], producer=1000 + n, epoch=0, sequence=0)
                assert wire.produce(name, batch, partition).error_code == NONE
                assert wire.list_offset(name, LATEST, partition).offset == 1
            assert wire.fetch(name, partition=5).error_code == NONE


def test_refusals_have_kafkas_code_and_message():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("there")
        cases = [
            ({"replication_factor": 3}, INVALID_REPLICATION, "larger than available brokers: 1"),
            ({"replication_factor": 0}, INVALID_REPLICATION, "non-positive"),
            ({"num_partitions": 0}, INVALID_PARTITIONS,
             "Number of partitions was set to an invalid non-positive value."),
            ({"num_partitions": -2}, INVALID_PARTITIONS, "non-positive"),
            ({"name": "there"}, EXISTS, "Topic 'there' already exists."),
            (config("no.such.key", "1"), INVALID_CONFIG, "Unknown topic config name: no.such.key"),
            (config("retention.ms", "soon"), INVALID_CONFIG, "retention.ms"),
            (config("segment.bytes", "1048575"), INVALID_CONFIG, "segment.bytes"),
            (config("cleanup.policy", "burn"), INVALID_CONFIG, "cleanup.policy"),
            (config("retention.ms", None), INVALID_CONFIG, "retention.ms"),
            ({"assignments": [{"partition_index": 0, "broker_ids": [1]}]}, INVALID_REQUEST, "numPartitions"),
            ({"assignments": [{"partition_index": 0, "broker_ids": [2]}], "num_partitions": -1,
              "replication_factor": -1}, INVALID_ASSIGNMENT, ""),
            ({"assignments": [{"partition_index": 1, "broker_ids": [1]}], "num_partitions": -1,
              "replication_factor": -1}, INVALID_ASSIGNMENT, "consecutive 0-based"),
        ]
        for more, error, text in cases:
            got = create(wire, **more)
            assert got.error_code == error and text in (got.error_message or ""), (more, got)
        assert [t.name for t in wire.ask("Metadata", 12, topics=None).topics] == ["there"]


def test_invalid_names_are_refused_everywhere():
    with Broker() as broker, Wire(broker.port) as wire:
        for name in ("", ".", "..", "a b", "a/b", "ä", "x" * 250, "a\0b"):
            assert create(wire, name=name).error_code == INVALID_TOPIC, name
            assert wire.metadata(name, create=True).topics[0].error_code == INVALID_TOPIC, name
        for name in ("x" * 249, "A.b-C_9", "..."):
            assert create(wire, name=name).error_code == NONE, name
        assert create(wire, name="A_b-C_9").error_code == INVALID_TOPIC  # collides with A.b-C_9


def test_a_name_twice_in_one_request_is_invalid_and_the_others_are_created():
    with Broker(shards=2) as broker, Wire(broker.port) as wire:
        wanted = [{"name": n, "num_partitions": 1, "replication_factor": 1} for n in ("a", "b", "a")]
        found = {t.name: t.error_code for t in wire.ask("CreateTopics", 5, topics=wanted).topics}
        assert found == {"a": INVALID_REQUEST, "b": NONE}


def test_validation_alone_creates_nothing():
    with Broker() as broker, Wire(broker.port) as wire:
        got = create(wire, validate_only=True, num_partitions=5, **config("retention.ms", "1000"))
        assert got.error_code == NONE and got.num_partitions == 5 and got.topic_id == NO_UUID
        assert create(wire, validate_only=True, replication_factor=2).error_code == INVALID_REPLICATION
        assert wire.metadata("t").topics[0].error_code == UNKNOWN_TOPIC


def test_minus_one_takes_the_brokers_defaults_and_assignments_count():
    with Broker(settings={"num.partitions": 3}) as broker, Wire(broker.port) as wire:
        got = create(wire, num_partitions=-1, replication_factor=-1)
        assert (got.error_code, got.num_partitions, got.replication_factor) == (NONE, 3, 1)
        assigned = [{"partition_index": p, "broker_ids": [1]} for p in (1, 0)]
        got = create(wire, name="u", num_partitions=-1, replication_factor=-1, assignments=assigned)
        assert (got.error_code, got.num_partitions) == (NONE, 2)


def test_ids_survive_restarts_and_a_recreated_topic_has_a_new_one():
    with Broker(shards=4) as broker:
        with Wire(broker.port) as wire:
            made = {f"t{n}": wire.create(f"t{n}", 2, version=7).topic_id for n in range(10)}
            assert len(set(made.values())) == 10 and NO_UUID not in made.values()
        for kill in (True, False):
            broker.restart(kill=kill)
            with Wire(broker.port) as wire:
                assert {t.name: t.topic_id for t in wire.metadata(*made).topics} == made
        with Wire(broker.port) as wire:
            by_id = wire.ask("Metadata", 12, topics=[{"topic_id": made["t3"], "name": None}]).topics[0]
            assert (by_id.error_code, by_id.name) == (NONE, "t3")
            wire.ask("DeleteTopics", 6, topics=[{"name": "t3", "topic_id": NO_UUID}])
            again = wire.create("t3", version=7).topic_id
            assert again not in made.values()
            by_id = wire.ask("Metadata", 12, topics=[{"topic_id": made["t3"], "name": None}]).topics[0]
            assert by_id.error_code == UNKNOWN_TOPIC_ID


def test_deletion_is_complete_when_it_is_answered():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        for n in range(10):
            wire.create("t", 4)
            assert wire.produce("t", make_batch([b"%d" % n]), n % 4).base_offset == 0
            answer = wire.ask("DeleteTopics", 5, topic_names=["t", "none"])
            assert {r.name: r.error_code for r in answer.responses} == {"t": NONE, "none": UNKNOWN_TOPIC}
            assert wire.metadata("t").topics[0].error_code == UNKNOWN_TOPIC
            assert wire.produce("t", make_batch([b"x"])).error_code == UNKNOWN_TOPIC
            assert wire.fetch("t").error_code == UNKNOWN_TOPIC


def test_deletion_by_id_and_its_refusals():
    with Broker() as broker, Wire(broker.port) as wire:
        known = wire.create("t", version=7).topic_id
        other = type(known)(int=77)
        asked = [{"name": None, "topic_id": other}, {"name": None, "topic_id": NO_UUID},
                 {"name": "t", "topic_id": known}]
        errors = [r.error_code for r in wire.ask("DeleteTopics", 6, topics=asked).responses]
        assert sorted(errors) == sorted([UNKNOWN_TOPIC_ID, INVALID_REQUEST, INVALID_REQUEST])
        got = wire.ask("DeleteTopics", 6, topics=[{"name": None, "topic_id": known}]).responses[0]
        assert (got.error_code, got.name) == (NONE, "t")
    with Broker(settings={"delete.topic.enable": "false"}) as broker, Wire(broker.port) as wire:
        wire.create("t")
        assert wire.ask("DeleteTopics", 5, topic_names=["t"]).responses[0].error_code == 73
        assert wire.metadata("t").topics[0].error_code == NONE


def test_metadata_creates_usable_topics_and_only_when_allowed():
    with Broker(shards=4, settings={"num.partitions": 4}) as broker, Wire(broker.port) as wire:
        assert wire.metadata("t", create=False).topics[0].error_code == UNKNOWN_TOPIC
        assert wire.ask("Metadata", 12, topics=None, allow_auto_topic_creation=True).topics == []
        for n, version in enumerate((1, 3, 4, 9, 12, 13)):
            got = wire.metadata(f"t{n}", version=version, create=True).topics[0]
            assert got.error_code == NONE and len(got.partitions) == 4, (version, got)
            assert wire.produce(f"t{n}", make_batch([b"at once"]), 3).error_code == NONE
        twice = wire.metadata("u", "u", create=True).topics
        assert {t.error_code for t in twice} == {NONE}
        assert wire.metadata(version=9).topics == []  # none requested, none listed
    with Broker(settings={"auto.create.topics.enable": "false"}) as broker, Wire(broker.port) as wire:
        assert wire.metadata("t", create=True).topics[0].error_code == UNKNOWN_TOPIC


def test_fetch_list_offsets_and_produce_create_no_topic():
    with Broker() as broker, Wire(broker.port) as wire:
        assert wire.fetch("t").error_code == UNKNOWN_TOPIC
        assert wire.list_offset("t", LATEST).error_code == UNKNOWN_TOPIC
        assert wire.produce("t", make_batch([b"x"])).error_code == UNKNOWN_TOPIC
        assert wire.ask("Metadata", 12, topics=None).topics == []


def test_partitions_can_be_added_but_not_removed():
    with Broker(shards=4) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", 2)
            wire.produce("t", make_batch([b"kept"]), 1)

            def raise_to(count, **more):
                asked = dict({"name": "t", "count": count, "assignments": None}, **more)
                return wire.ask("CreatePartitions", 2, topics=[asked]).results[0]
            for count, text in ((1, "currently has 2"), (2, "already has 2 partition"), (0, ""), (-1, "")):
                got = raise_to(count)
                assert got.error_code == INVALID_PARTITIONS and text in got.error_message, (count, got)
            assert raise_to(3, assignments=[{"broker_ids": [5]}]).error_code == INVALID_ASSIGNMENT
            assert raise_to(6).error_code == NONE
            assert len(wire.metadata("t").topics[0].partitions) == 6
            for partition in range(2, 6):
                assert wire.produce("t", make_batch([b"new"]), partition).base_offset == 0
            assert raise_to(6, name="none").error_code == UNKNOWN_TOPIC
        broker.restart(kill=True)
        with Wire(broker.port) as wire:
            assert records_of(wire.fetch("t", partition=1).records)[0].value == b"kept"
            assert records_of(wire.fetch("t", partition=5).records)[0].value == b"new"


def test_confluent_admin_sees_errors_by_name():
    with Broker(shards=4) as broker:
        admin = AdminClient({"bootstrap.servers": broker.address})
        error = confluent_kafka.KafkaError

        def outcome(futures):
            try:
                next(iter(futures.values())).result(20)
                return None
            except confluent_kafka.KafkaException as failure:
                return failure.args[0].code()
        assert outcome(admin.create_topics([NewTopic("t", 2, 1)])) is None
        assert outcome(admin.create_topics([NewTopic("t", 2, 1)])) == error.TOPIC_ALREADY_EXISTS
        assert outcome(admin.create_topics([NewTopic("u", 2, 3)])) == error.INVALID_REPLICATION_FACTOR
        assert outcome(admin.create_topics([NewTopic("u", 1, 1, config={"x": "y"})])) == error.INVALID_CONFIG
        assert outcome(admin.create_partitions([NewPartitions("t", 1)])) == error.INVALID_PARTITIONS
        assert outcome(admin.create_partitions([NewPartitions("t", 5)])) is None
        assert len(admin.list_topics("t", 20).topics["t"].partitions) == 5
        assert outcome(admin.delete_topics(["t"])) is None
        assert outcome(admin.delete_topics(["t"])) == error.UNKNOWN_TOPIC_OR_PART
        assert admin.list_topics(timeout=20).topics == {}


def test_kcat_shows_one_broker_with_id_1_as_configured():
    advertised = {"advertised.listeners": "PLAINTEXT://localhost:9999"}
    with Broker(settings=advertised) as broker, Wire(broker.port) as wire:
        answer = wire.metadata()
        assert [(b.node_id, b.host, b.port) for b in answer.brokers] == [(1, "localhost", 9999)]
        got = wire.ask("FindCoordinator", 1, key="g")
        assert (got.node_id, got.host, got.port) == (1, "localhost", 9999)
        cluster = wire.ask("DescribeCluster", 1)
        assert (cluster.controller_id, cluster.cluster_id) == (1, answer.cluster_id)
        assert [(b.broker_id, b.host, b.port) for b in cluster.brokers] == [(1, "localhost", 9999)]
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t", 2)
        shown = subprocess.run(["kcat", "-b", broker.address, "-L"], capture_output=True, text=True, timeout=20,
                               check=True).stdout
        assert f"broker 1 at {broker.address}" in shown and 'topic "t" with 2 partitions' in shown


def test_a_storm_of_connections_after_a_restart_is_served():
    with Broker(shards=4) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", 4)
        broker.restart()
        wires = [Wire(broker.port) for _ in range(200)]
        try:
            for n, wire in enumerate(wires):
                wire.send("ApiVersions", 0)
                wire.send("Metadata", 5, topics=[{"name": "t"}])
                wire.send_fetch("t", partition=n % 4)
            for wire in wires:
                for _ in range(3):
                    wire.receive()
        except Cut:
            raise AssertionError("a connection was cut") from None
        finally:
            for wire in wires:
                wire.socket.close()
