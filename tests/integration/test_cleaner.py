"""The cleaner while it runs: its status, its live configs, and which partition is first."""
import re
import signal

from broker import Broker, wait_until
from wire import Wire, make_batch

NONE, SET, BROKER_RESOURCE, TOPIC_RESOURCE = 0, 0, 4, 2
STOPPED = {"log.segment.bytes": 1 << 20, "log.cleaner.backoff.ms": 20, "log.cleaner.io.max.bytes.per.second": 1,
           "tidemill.checkpoint.interval.ms": 1000}
FIELD = re.compile(r'(\w+)=("[^"]*"|\S*)')


def status(broker, kind="a cleaner"):
    """The fields of each shard in a report that is asked for now, by shard."""
    lines = broker.log_text().splitlines()
    before = lines[-1].split()[0] if lines else ""

    def reports():
        broker.process.send_signal(signal.SIGUSR1)
        found = [dict((k, v.strip('"')) for k, v in FIELD.findall(line)) for line in broker.log_text().splitlines()
                 if f"INFO  status of {kind} shard=" in line and line.split()[0] > before]
        shards = {int(r["shard"]): r for r in found}
        return shards if len(shards) == broker.shards else None
    return wait_until(reports, 30, "a status of each shard")


def set_config(wire, kind, name, key, value):
    answer = wire.ask("IncrementalAlterConfigs", 1, validate_only=False, resources=[{
        "resource_type": kind, "resource_name": name,
        "configs": [{"name": key, "config_operation": SET, "value": str(value)}]}]).responses[0]
    assert answer.error_code == NONE, answer


def fill(wire, topic):
    """A closed segment and an active one."""
    for _ in range(5):
        answer = wire.produce(topic, make_batch([b"x" * 300_000], keys=[b"key"]))
        assert answer.error_code == NONE, answer


def compacted(broker):
    """The directories of the compacted partitions, in this order."""
    return [re.search(r"directory=(\S+)", line).group(1) for line in broker.log_text().splitlines()
            if "a partition was compacted" in line]


def test_the_status_says_what_the_cleaner_does():
    with Broker(settings=STOPPED) as broker, Wire(broker.port) as wire:
        idle = status(broker)[0]
        assert (idle["state"], idle["directory"], idle["compactions"], idle["last_compaction"]) == ("idle", "", "0", "")
        wire.create("state", cleanup_policy="compact")
        fill(wire, "state")
        wait_until(lambda: status(broker)[0]["state"] == "throttled", 120, "a cleaner that waits for its rate")
        throttled = status(broker)[0]
        assert throttled["directory"].endswith("/0") and int(throttled["bytes_read"]) > 0, throttled
        assert 0 < int(throttled["percent_done"]) < 100, throttled
        set_config(wire, BROKER_RESOURCE, "", "log.cleaner.io.max.bytes.per.second", 1e12)
        wait_until(lambda: status(broker)[0]["compactions"] != "0", 120, "the compaction")
        wait_until(lambda: status(broker)[0]["state"] == "idle", 120, "its end")
        done = status(broker)[0]
        assert done["last_compaction"].endswith("Z") and int(done["bytes_written"]) > 0, done
        assert int(done["records_dropped"]) > 0 and done["uncleanable"] == "0", done
        assert int(status(broker, "a journal")[0]["entries"]) >= 5
        assert status(broker, "a shard")[0]["partitions"] == "1"


def test_the_status_shows_a_cleaner_that_is_disabled():
    with Broker(shards=2, settings={"log.cleaner.enable": "false"}) as broker:
        assert [status(broker)[shard]["state"] for shard in range(2)] == ["disabled", "disabled"]


def test_the_configs_of_the_cleaner_change_while_the_broker_runs():
    with Broker(settings=STOPPED) as broker, Wire(broker.port) as wire:
        for key, value in (("log.cleaner.threads", "2"), ("log.cleaner.io.max.bytes.per.second", "1.0E12"),
                           ("log.cleaner.io.buffer.size", "65536"), ("log.cleaner.io.buffer.load.factor", "0.5"),
                           ("log.cleaner.dedupe.buffer.size", "1048576"), ("log.cleaner.backoff.ms", "10")):
            set_config(wire, BROKER_RESOURCE, "", key, value)
            config = wire.ask("DescribeConfigs", 4, include_synonyms=False, include_documentation=False, resources=[
                {"resource_type": BROKER_RESOURCE, "resource_name": "1", "configuration_keys": [key]}]).results[0].configs
            assert [(c.name, float(c.value), c.read_only) for c in config] == [(key, float(value), False)], config
        wire.create("state", cleanup_policy="compact")
        fill(wire, "state")
        wait_until(lambda: compacted(broker), 120, "a compaction at the new rate")


def test_the_most_urgent_partition_of_all_shards_is_first():
    with Broker(shards=3, settings=STOPPED) as broker, Wire(broker.port) as wire:
        topics = []
        while len(topics) < 6 or any(r["partitions"] == "0" for r in status(broker, "a shard").values()):
            topics.append(f"state{len(topics)}")
            wire.create(topics[-1], cleanup_policy="compact")
            fill(wire, topics[-1])

        def shards_in(state):
            return {shard: r for shard, r in status(broker).items() if r["state"] == state}
        wait_until(lambda: len(shards_in("throttled")) == 1 and len(shards_in("waiting for its turn")) == 2, 120,
                   "one shard that cleans and two that wait")
        (first,), waiting = shards_in("throttled").values(), list(shards_in("waiting for its turn").values())
        late, other = waiting
        ids = {str(t.topic_id): t.name for t in wire.ask("Metadata", 12, topics=None).topics}
        topic = next(name for found, name in ids.items() if found in late["directory"])
        set_config(wire, TOPIC_RESOURCE, topic, "max.compaction.lag.ms", 1)
        wait_until(lambda: status(broker)[int(late["shard"])]["overdue"] == "1", 120, "a shard with an overdue partition")
        set_config(wire, BROKER_RESOURCE, "", "log.cleaner.io.max.bytes.per.second", 1e12)
        wait_until(lambda: len(set(compacted(broker))) == len(topics), 240, "all compactions")
        assert compacted(broker)[:2] == [first["directory"], late["directory"]], (compacted(broker), waiting)
        assert compacted(broker).index(other["directory"]) > 1
