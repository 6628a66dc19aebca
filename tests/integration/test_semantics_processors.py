"""Processors as Kafka's admin clients see them: topic configs that are checked and applied as a whole."""
import json

import confluent_kafka
from confluent_kafka.admin import AdminClient, ConfigResource

from broker import Broker, wait_until
from wire import LATEST, Wire, make_batch, records_of

NONE, UNKNOWN_TOPIC, INVALID_CONFIG = 0, 3, 40
TOPIC, OF_TOPIC, STRING = 2, 1, 2
SET, DELETE = 0, 1
FILTER = {"processor.big.type": "filter", "processor.big.where": "value.n >= 10", "processor.big.output": "big"}
CHAIN = {"processor.check.type": "validate", "processor.check.out-of-order": "1h",
         "processor.once.type": "dedup", "processor.once.after": "check", "processor.once.id": "value.n",
         "processor.once.within": "1h", "processor.once.output": "once"}


def change(wire, topic, configs, operation=SET):
    return wire.ask("IncrementalAlterConfigs", 1, resources=[{
        "resource_type": TOPIC, "resource_name": topic, "configs": [
            {"name": k, "config_operation": operation, "value": v} for k, v in configs.items()]}]).responses[0]


def declare(wire, topic, configs):
    got = change(wire, topic, configs)
    assert got.error_code == NONE, got


def configs_of(wire, topic):
    answer = wire.ask("DescribeConfigs", 4, include_documentation=True, include_synonyms=True, resources=[
        {"resource_type": TOPIC, "resource_name": topic, "configuration_keys": None}]).results[0]
    return {c.name: c for c in answer.configs if c.name.startswith("processor.")}


def batch_of(*numbers):
    return make_batch([json.dumps({"n": n}).encode() for n in numbers])


def values_in(wire, topic, count, partition=0):
    """The values of the topic's `count` records; waits for them and fails if there are more."""
    wait_until(lambda: wire.list_offset(topic, LATEST, partition).offset >= count, 20, f"{count} records in {topic}")
    got = []
    while (more := records_of(wire.fetch(topic, len(got), partition=partition).records)):
        got += [r.value for r in more]
    assert len(got) == count, got
    return [json.loads(v) for v in got]


def test_refused_configs_have_a_reason_and_change_nothing():
    cases = [
        ({"processor.big.type": "flter"}, "filter"),
        ({"processor.big.type": "map"}, "map"),
        ({"processor.big.whre": "true"}, "where"),
        ({"processor.big.colour": "red"}, "colour"),
        ({"processor.big.where": "value.n >"}, "where"),
        ({"processor.big.where": None}, "processor.big.where"),
        ({"processor.big.enabled": "perhaps"}, "enabled"),
        ({"processor.big.out-of-order": "soon"}, "out-of-order"),
        ({"processor.big.after": "nobody"}, "nobody"),
        ({"processor.big.output": "t"}, "its own output"),
        ({"processor.big.output": "no good"}, "no good"),
        ({"processor.Big.type": "filter"}, "Big"),
        ({"processor.other.where": "true"}, "type"),
        ({"processor.new.type": "aggregate", "processor.new.window": "session(1m)"}, "session"),
        ({"processor.big": "filter"}, "processor.big"),
    ]
    for shards in (1, 4):
        with Broker(shards=shards) as broker, Wire(broker.port) as wire:
            wire.create("t", 2)
            declare(wire, "t", FILTER)
            for bad, text in cases:
                got = change(wire, "t", dict({"retention.ms": "1000"}, **bad))
                assert got.error_code != NONE and text in got.error_message, (bad, got)
                assert {n: c.value for n, c in configs_of(wire, "t").items()} == FILTER, bad
            assert [t.name for t in wire.ask("Metadata", 12, topics=None).topics if t.name == "no good"] == []
            wire.produce("t", batch_of(5, 50))
            assert values_in(wire, "big", 1) == [{"n": 50}]


def test_create_topics_refuses_invalid_processors_and_accepts_valid_ones():
    with Broker(shards=2) as broker, Wire(broker.port) as wire:
        def create(name, configs):
            return wire.ask("CreateTopics", 5, topics=[{
                "name": name, "num_partitions": 1, "replication_factor": 1,
                "configs": [{"name": k, "value": v} for k, v in configs.items()]}]).topics[0]
        got = create("t", dict(FILTER, **{"processor.big.where": "value.n >="}))
        assert got.error_code == INVALID_CONFIG and "where" in got.error_message
        assert wire.metadata("t").topics[0].error_code == UNKNOWN_TOPIC
        assert create("t", FILTER).error_code == NONE
        wire.produce("t", batch_of(11, 1, 12))
        assert values_in(wire, "big", 2) == [{"n": 11}, {"n": 12}]
        got = create("dlq.t", FILTER)
        assert got.error_code == INVALID_CONFIG


def test_processor_configs_are_shown_as_the_topics_own():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        assert configs_of(wire, "t") == {}
        declare(wire, "t", FILTER)
        shown = configs_of(wire, "t")
        assert {n: c.value for n, c in shown.items()} == FILTER
        for entry in shown.values():
            assert entry.config_source == OF_TOPIC and not entry.read_only and not entry.is_sensitive
            assert entry.config_type == STRING and entry.documentation
            assert [(s.name, s.source) for s in entry.synonyms] == [(entry.name, OF_TOPIC)]


def test_any_admin_client_declares_and_removes_processors():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t", 4)
        admin = AdminClient({"bootstrap.servers": broker.address})

        def replace(configs):
            resource = ConfigResource(ConfigResource.Type.TOPIC, "t", set_config=configs)
            admin.alter_configs([resource])[resource].result(20)
        replace(FILTER)
        shown = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, "t")])
        shown = next(iter(shown.values())).result(20)
        assert shown["processor.big.where"].value == "value.n >= 10"
        for partition in range(4):
            wire.produce("t", batch_of(10 + partition, 2), partition)
        for partition in range(4):
            assert values_in(wire, "big", 1, partition) == [{"n": 10 + partition}]
        try:
            replace(dict(FILTER, **{"processor.big.where": "1 +"}))
            raise AssertionError("taken")
        except confluent_kafka.KafkaException as failure:
            assert failure.args[0].code() == confluent_kafka.KafkaError.INVALID_CONFIG
            assert "where" in failure.args[0].str()
        replace({})
        assert configs_of(wire, "t") == {}
        for partition in range(4):
            wire.produce("t", batch_of(99), partition)
            assert wire.list_offset("big", LATEST, partition).offset == 1


def test_a_chain_can_be_deleted_only_as_a_whole():
    for shards in (1, 4):
        with Broker(shards=shards) as broker, Wire(broker.port) as wire:
            wire.create("t")
            declare(wire, "t", CHAIN)
            wire.produce("t", batch_of(1, 1, 2))
            assert values_in(wire, "once", 2) == [{"n": 1}, {"n": 2}]
            first = {k: None for k in CHAIN if k.startswith("processor.check.")}
            got = change(wire, "t", first, DELETE)
            assert got.error_code == INVALID_CONFIG and "check" in got.error_message, got
            assert {n: c.value for n, c in configs_of(wire, "t").items()} == CHAIN
            wire.produce("t", batch_of(2, 3))
            assert values_in(wire, "once", 3)[-1] == {"n": 3}
            assert change(wire, "t", {k: None for k in CHAIN}, DELETE).error_code == NONE
            assert configs_of(wire, "t") == {}
            wire.produce("t", batch_of(4))
            assert wire.produce("t", batch_of(5)).base_offset == 6
            assert wire.list_offset("once", LATEST).offset == 3


def test_produce_continues_while_a_processor_fails():
    """Every record that it cannot process becomes a dead letter. Producers do not notice this."""
    for shards in (1, 4):
        with Broker(shards=shards) as broker, Wire(broker.port) as wire:
            wire.create("t")
            declare(wire, "t", FILTER)
            for n in range(100):
                answer = wire.produce("t", batch_of(f"text {n}"))
                assert (answer.error_code, answer.base_offset) == (NONE, n)
            assert values_in(wire, "dlq.t", 100) == [{"n": f"text {n}"} for n in range(100)]
            wire.produce("t", batch_of(77))
            assert values_in(wire, "big", 1) == [{"n": 77}]


def test_a_record_without_a_key_for_a_compacted_topic_is_a_dead_letter():
    """The cleaner would remove it, as it would one that Produce had accepted."""
    for shards in (1, 4):
        with Broker(shards=shards) as broker, Wire(broker.port) as wire:
            wire.create("t")
            wire.create("big", 4, cleanup_policy="compact")
            declare(wire, "t", FILTER)
            wire.produce("t", make_batch([b'{"n": 10}', b'{"n": 1}', b'{"n": 11}'], keys=[None, None, b"k"]))
            assert values_in(wire, "dlq.t", 1) == [{"n": 10}]
            headers = dict(records_of(wire.fetch("dlq.t", 0).records)[0].headers)
            assert headers["__dlq.errors.code"] == b"KEY_MISSING" and b"big" in headers["__dlq.errors.message"], headers
            big = lambda: sum(wire.list_offset("big", LATEST, p).offset for p in range(4))
            wait_until(lambda: big() >= 1, 20, "the record with a key")
            assert big() == 1
            change(wire, "big", {"cleanup.policy": "delete"})
            wire.produce("t", batch_of(12))
            wait_until(lambda: big() == 2, 20, "a record without a key")


def test_a_dead_letter_topic_is_not_compacted():
    with Broker(settings={"log.cleanup.policy": "compact"}) as broker, Wire(broker.port) as wire:
        wire.create("t", cleanup_policy="delete")
        wire.create("kept", cleanup_policy="compact")
        got = change(wire, "t", dict(FILTER, **{"processor.big.dlq": "kept"}))
        assert got.error_code == INVALID_CONFIG and "kept" in got.error_message, got
        declare(wire, "t", FILTER)
        wire.produce("t", batch_of("text"))
        assert values_in(wire, "dlq.t", 1) == [{"n": "text"}]
        answer = wire.ask("DescribeConfigs", 4, include_documentation=False, include_synonyms=False, resources=[
            {"resource_type": TOPIC, "resource_name": "dlq.t", "configuration_keys": ["cleanup.policy"]}]).results[0]
        assert [c.value for c in answer.configs] == ["delete"]


def test_produce_continues_when_the_output_topic_is_deleted():
    with Broker(shards=2) as broker, Wire(broker.port) as wire:
        wire.create("t")
        declare(wire, "t", FILTER)
        wire.produce("t", batch_of(10))
        assert values_in(wire, "big", 1) == [{"n": 10}]
        wire.ask("DeleteTopics", 5, topic_names=["big"])
        for n in range(1, 20):
            answer = wire.produce("t", batch_of(10 + n))
            assert (answer.error_code, answer.base_offset) == (NONE, n)


def test_a_recreated_input_topic_has_no_processors():
    with Broker(shards=4) as broker:
        with Wire(broker.port) as wire:
            wire.create("t")
            declare(wire, "t", CHAIN)
            wire.produce("t", batch_of(1))
            assert values_in(wire, "once", 1) == [{"n": 1}]
            assert wire.ask("DeleteTopics", 5, topic_names=["t"]).responses[0].error_code == NONE
            wire.create("t")
            assert configs_of(wire, "t") == {}
            declare(wire, "t", CHAIN)
            wire.produce("t", batch_of(1, 1))
            assert values_in(wire, "once", 2) == [{"n": 1}, {"n": 1}]  # the state was deleted with the topic
        broker.restart(kill=True)
        with Wire(broker.port) as wire:
            assert {n: c.value for n, c in configs_of(wire, "t").items()} == CHAIN
            wire.produce("t", batch_of(1, 2))
            assert values_in(wire, "once", 3)[-1] == {"n": 2}


def test_a_change_that_would_alter_the_states_meaning_needs_a_new_version():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        declare(wire, "t", CHAIN)
        wire.produce("t", batch_of(1))
        assert values_in(wire, "once", 1) == [{"n": 1}]
        got = change(wire, "t", {"processor.once.within": "2h"})
        assert got.error_code == INVALID_CONFIG and "state.version" in got.error_message, got
        assert configs_of(wire, "t")["processor.once.within"].value == "1h"
        declare(wire, "t", {"processor.once.within": "2h", "processor.check.state.version": "2"})
        assert values_in(wire, "once", 2) == [{"n": 1}, {"n": 1}]


def test_grouping_by_other_than_the_key_needs_one_partition():
    rows = {"processor.a.type": "aggregate", "processor.a.group-by": "value.n", "processor.a.window": "tumbling(1m)",
            "processor.a.select": "count() as records", "processor.a.output": "rows"}
    with Broker(shards=2) as broker, Wire(broker.port) as wire:
        wire.create("many", 2)
        wire.create("one", 1)
        got = change(wire, "many", rows)
        assert got.error_code == INVALID_CONFIG and "partition" in got.error_message, got
        assert change(wire, "one", rows).error_code == NONE
        got = wire.ask("CreatePartitions", 2, topics=[{"name": "one", "count": 2, "assignments": None}]).results[0]
        assert got.error_code != NONE and len(wire.metadata("one").topics[0].partitions) == 1, got
