"""Less obvious rules for the group coordinator: each refusal, members that return, offsets."""
import threading
import time

import confluent_kafka
from kafka import KafkaAdminClient

from broker import Broker, wait_until
from wire import Wire, make_batch

NONE, UNKNOWN_TOPIC, METADATA_TOO_LARGE = 0, 3, 12
ILLEGAL_GENERATION, INCONSISTENT_PROTOCOL, INVALID_GROUP_ID, UNKNOWN_MEMBER, INVALID_SESSION = 22, 23, 24, 25, 26
REBALANCE, NON_EMPTY, GROUP_NOT_FOUND, MEMBER_ID_REQUIRED, GROUP_FULL, FENCED = 27, 68, 69, 79, 81, 82
SUBSCRIBED = 86


def subscription(*topics):
    """A consumer's metadata: version 0, topics, no user data."""
    out = b"\0\0" + len(topics).to_bytes(4, "big")
    for topic in topics:
        out += len(topic).to_bytes(2, "big") + topic.encode()
    return out + b"\xff\xff\xff\xff"


class Member:
    """One member on its own connection."""

    def __init__(self, port, group="g", instance=None, protocols=(("range", b"meta"),), session=10_000,
                 rebalance=10_000):
        self.wire = Wire(port)
        self.group, self.instance, self.protocols = group, instance, protocols
        self.session, self.rebalance = session, rebalance
        self.id, self.generation, self.answer = "", -1, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.socket.close()

    def send_join(self, version=5):
        self.wire.send("JoinGroup", version, group_id=self.group, session_timeout_ms=self.session,
                       rebalance_timeout_ms=self.rebalance, member_id=self.id, group_instance_id=self.instance,
                       protocol_type="consumer",
                       protocols=[{"name": n, "metadata": m} for n, m in self.protocols])

    def joined(self):
        self.answer = self.wire.receive()
        if self.answer.error_code in (NONE, MEMBER_ID_REQUIRED):
            self.id, self.generation = self.answer.member_id, self.answer.generation_id
        return self.answer

    def join(self, version=5):
        """Joins as clients do: takes the required id and sends it again."""
        self.send_join(version)
        if self.joined().error_code == MEMBER_ID_REQUIRED:
            self.send_join(version)
            self.joined()
        return self.answer

    def send_sync(self, assignments=None):
        given = [{"member_id": m, "assignment": a} for m, a in (assignments or {}).items()]
        self.wire.send("SyncGroup", 3, group_id=self.group, generation_id=self.generation, member_id=self.id,
                       group_instance_id=self.instance, assignments=given)

    def sync(self, assignments=None):
        self.send_sync(assignments)
        return self.wire.receive()

    def heartbeat(self):
        return self.wire.ask("Heartbeat", 3, group_id=self.group, generation_id=self.generation,
                             member_id=self.id, group_instance_id=self.instance).error_code

    def commit(self, offset=1, topic="t", partition=0, metadata=None, version=7):
        return self.wire.ask(
            "OffsetCommit", version, group_id=self.group, generation_id_or_member_epoch=self.generation,
            member_id=self.id, group_instance_id=self.instance, topics=[{"name": topic, "partitions": [
                {"partition_index": partition, "committed_offset": offset, "committed_metadata": metadata}]}]
        ).topics[0].partitions[0].error_code

    def alone(self):
        """Joins and syncs as the only member."""
        assert self.join().error_code == NONE, self.answer
        assert self.sync({self.id: b"all"}).assignment == b"all"
        return self


def two_members(port, **more):
    """Two members of a stable group, the leader first, with assignments b"0" and b"1"."""
    first, second = Member(port, **more), Member(port, **more)
    first.alone()
    second.send_join()
    if second.joined().error_code == MEMBER_ID_REQUIRED:
        second.send_join()
    wait_until(lambda: first.heartbeat() == REBALANCE, 10, "the rebalance to begin")
    first.join()
    second.joined()
    assert first.answer.leader == first.id and len(first.answer.members) == 2
    assert second.answer.members == [] and second.generation == first.generation
    second.send_sync()
    assert first.sync({first.id: b"0", second.id: b"1"}).assignment == b"0"
    assert second.wire.receive().assignment == b"1"
    return first, second


def committed(wire, group, partition=0, topic="t", version=5):
    answer = wire.ask("OffsetFetch", version, group_id=group, topics=[
        {"name": topic, "partition_indexes": [partition]}])
    return answer.topics[0].partitions[0]


def describe(wire, group, version=5):
    return wire.ask("DescribeGroups", version, groups=[group]).groups[0]


def admin_commit(wire, group, offset, topic="t", partition=0, metadata=None):
    return wire.ask("OffsetCommit", 7, group_id=group, member_id="", topics=[{"name": topic, "partitions": [
        {"partition_index": partition, "committed_offset": offset, "committed_metadata": metadata}]}]
    ).topics[0].partitions[0].error_code


def test_from_version_4_on_the_first_join_gets_its_member_id():
    with Broker(shards=4) as broker:
        for version in range(10):
            with Member(broker.port, f"g{version}") as member:
                member.wire.client_id = "worker"
                member.send_join(version)
                answer = member.joined()
                assert answer.error_code == (MEMBER_ID_REQUIRED if version >= 4 else NONE), (version, answer)
                assert answer.member_id.startswith("worker-")
                if version >= 4:
                    told = answer.member_id
                    assert member.join(version).error_code == NONE and member.id == told
        with Member(broker.port, "static", instance="i-1") as member:
            member.send_join()
            assert member.joined().error_code == NONE and member.id.startswith("i-1-")


def test_invalid_joins_get_their_own_errors():
    with Broker(shards=2) as broker:
        cases = [({"group": ""}, INVALID_GROUP_ID), ({"session": 5_999}, INVALID_SESSION),
                 ({"session": 1_800_001}, INVALID_SESSION), ({"session": 6_000}, NONE),
                 ({"session": 1_800_000, "group": "h"}, NONE), ({"protocols": ()}, INCONSISTENT_PROTOCOL)]
        for more, error in cases:
            with Member(broker.port, **more) as member:
                assert member.join().error_code == error, (more, member.answer)
        with Member(broker.port, "k") as member:
            member.id = "nobody"
            assert member.join().error_code == UNKNOWN_MEMBER


def test_a_member_without_a_common_protocol_is_refused_and_the_others_stay():
    with Broker() as broker, Member(broker.port) as first, Member(
            broker.port, protocols=(("sticky", b""),)) as other:
        first.alone()
        other.send_join(3)
        assert other.joined().error_code == INCONSISTENT_PROTOCOL
        assert first.heartbeat() == NONE


def test_a_full_group_admits_no_more_members():
    with Broker(settings={"group.max.size": 1}) as broker, Member(broker.port) as first, Member(broker.port) as other:
        first.alone()
        assert other.join().error_code == GROUP_FULL
        assert first.heartbeat() == NONE


def test_the_protocol_is_chosen_by_vote_and_metadata_comes_back_byte_for_byte():
    with Broker(shards=4) as broker, Member(broker.port) as a, Member(broker.port) as b, Member(broker.port) as c:
        a.protocols = (("x", b"a-x\0\xff"), ("y", b"a-y\0\xff"))
        b.protocols = (("y", b"b-y" + bytes(range(256))), ("x", b"b-x"), ("z", b""))
        c.protocols = (("y", b""), ("x", b"c-x"))
        a.alone()
        for member in (b, c):
            member.send_join()
            assert member.joined().error_code == MEMBER_ID_REQUIRED
            member.send_join()
        wait_until(lambda: a.heartbeat() == REBALANCE, 10, "the rebalance to begin")
        answer = a.join()
        for member in (b, c):
            member.joined()
        assert {m.answer.protocol_name for m in (a, b, c)} == {"y"}
        assert {m.member_id: m.metadata for m in answer.members} == {
            a.id: b"a-y\0\xff", b.id: b"b-y" + bytes(range(256)), c.id: b""}


def test_an_empty_member_id_is_unknown_to_sync_leave_and_heartbeat():
    with Broker() as broker, Member(broker.port) as member:
        member.alone()
        wire = member.wire
        assert wire.ask("SyncGroup", 3, group_id="g", generation_id=1, member_id="").error_code == UNKNOWN_MEMBER
        assert wire.ask("LeaveGroup", 1, group_id="g", member_id="").error_code == UNKNOWN_MEMBER
        assert wire.ask("Heartbeat", 3, group_id="g", generation_id=1, member_id="").error_code == UNKNOWN_MEMBER
        answer = wire.ask("LeaveGroup", 3, group_id="g", members=[{"member_id": ""}, {"member_id": "nobody"}])
        assert answer.error_code == NONE
        assert [m.error_code for m in answer.members] == [UNKNOWN_MEMBER] * 2
        assert member.heartbeat() == NONE


def test_each_request_of_a_member_checks_member_and_generation():
    with Broker(shards=2) as broker, Member(broker.port) as member:
        member.wire.create("t")
        member.alone()
        member.generation += 1
        assert member.heartbeat() == ILLEGAL_GENERATION
        assert member.sync().error_code == ILLEGAL_GENERATION
        assert member.commit() == ILLEGAL_GENERATION
        member.generation -= 1
        mine, member.id = member.id, "nobody"
        assert member.heartbeat() == UNKNOWN_MEMBER
        assert member.sync().error_code == UNKNOWN_MEMBER
        assert member.commit() == UNKNOWN_MEMBER
        member.id = mine
        assert (member.heartbeat(), member.sync().error_code, member.commit()) == (NONE, NONE, NONE)
        for api, more in (("Heartbeat", {"generation_id": 1}), ("SyncGroup", {"generation_id": 1})):
            assert member.wire.ask(api, 3, group_id="none", member_id="m", **more).error_code == UNKNOWN_MEMBER


def test_heartbeats_announce_a_rebalance_which_waits_for_the_members():
    with Broker(shards=4) as broker:
        first, second = two_members(broker.port)
        with first, second, Member(broker.port) as third:
            generation = first.generation
            third.send_join()
            third.joined()
            third.send_join()
            wait_until(lambda: second.heartbeat() == REBALANCE, 10, "the rebalance to begin")
            assert first.heartbeat() == REBALANCE and first.sync().error_code == REBALANCE
            first.send_join()
            assert first.wire.silent(0.1) and third.wire.silent(0.1)  # they wait for the second
            second.send_join()
            answers = [m.joined() for m in (first, second, third)]
            assert {a.generation_id for a in answers} == {generation + 1}
            assert {a.leader for a in answers} == {first.id}


def test_members_that_never_join_again_are_removed_after_the_rebalance_timeout():
    with Broker() as broker:
        first, second = two_members(broker.port, rebalance=1000)
        with first, second:
            first.protocols = (("range", b"changed"),)
            started = time.monotonic()
            answer = first.join()
            assert time.monotonic() - started > 0.8
            assert [m.member_id for m in answer.members] == [first.id]
            assert second.heartbeat() == UNKNOWN_MEMBER


def test_members_that_never_sync_are_removed_and_the_others_continue():
    with Broker(shards=2) as broker, Member(broker.port, rebalance=1000) as leader, Member(
            broker.port, rebalance=1000) as other:
        leader.alone()
        other.send_join()
        other.joined()
        other.send_join()
        wait_until(lambda: leader.heartbeat() == REBALANCE, 10, "the rebalance to begin")
        leader.join()
        other.joined()
        leader.sync({leader.id: b"a", other.id: b"b"})  # the other sends only heartbeats

        def alone_again():
            if leader.heartbeat() == REBALANCE:
                leader.send_join()
                leader.joined()
                leader.sync({leader.id: b"all"})
            other.heartbeat()
            return leader.heartbeat() == NONE and len(describe(leader.wire, "g").members) == 1
        wait_until(alone_again, 10, "the silent member to be dropped")
        assert other.heartbeat() == UNKNOWN_MEMBER


def test_a_static_member_returns_to_its_partitions_without_a_rebalance():
    for shards in (1, 4):
        with Broker(shards=shards) as broker:
            first, second = Member(broker.port, instance="one"), Member(broker.port, instance="two")
            with first, second:
                first.alone()
                second.send_join()
                wait_until(lambda: first.heartbeat() == REBALANCE, 10, "the rebalance to begin")
                first.join()
                second.joined()
                second.send_sync()
                first.sync({first.id: b"0", second.id: b"1"})
                assert second.wire.receive().assignment == b"1"
                generation, gone = second.generation, second.id
                second.wire.socket.close()
                with Member(broker.port, instance="two") as back:
                    back.send_join()
                    assert back.joined().error_code == NONE and back.generation == generation
                    assert back.id != gone
                    assert back.sync().assignment == b"1"
                    assert first.heartbeat() == NONE  # no rebalance
                    old = Member(broker.port, instance="two")
                    with old:
                        old.id, old.generation = gone, generation
                        assert old.heartbeat() == FENCED and old.sync().error_code == FENCED
                    assert back.heartbeat() == NONE


def test_a_second_member_with_the_same_instance_id_fences_the_first():
    with Broker() as broker, Member(broker.port, instance="i") as first, Member(broker.port, instance="i") as again:
        first.wire.create("t")
        first.alone()
        again.send_join()
        assert again.joined().error_code == NONE
        assert first.heartbeat() == FENCED and first.commit() == FENCED
        first.send_join()
        assert first.joined().error_code == FENCED


def test_a_static_member_leaves_by_its_instance_id():
    with Broker(shards=4) as broker, Member(broker.port, instance="i") as member, Wire(broker.port) as wire:
        wire.create("t")
        member.alone()
        answer = wire.ask("LeaveGroup", 3, group_id="g", members=[
            {"member_id": "wrong", "group_instance_id": "i"}, {"member_id": "", "group_instance_id": "i"},
            {"member_id": "", "group_instance_id": "other"}])
        assert answer.error_code == NONE
        assert [(m.group_instance_id, m.error_code) for m in answer.members] == [
            ("i", FENCED), ("i", NONE), ("other", UNKNOWN_MEMBER)]
        assert member.commit() == UNKNOWN_MEMBER and describe(wire, "g").group_state == "Empty"


def test_a_commit_without_a_member_makes_a_group_and_lists_it_without_a_type():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t", 2)
        assert admin_commit(wire, "tool", 7, metadata="by hand") == NONE
        got = committed(wire, "tool")
        assert (got.committed_offset, got.metadata) == (7, "by hand")
        listed = {g.group_id: (g.protocol_type, g.group_state) for g in wire.ask("ListGroups", 4).groups}
        assert listed["tool"] == ("", "Empty")
        assert describe(wire, "tool").group_state == "Empty"


def test_a_commit_without_a_member_to_a_live_group_is_refused():
    with Broker() as broker, Member(broker.port) as member, Wire(broker.port) as wire:
        wire.create("t")
        member.alone()
        assert admin_commit(wire, "g", 7) == UNKNOWN_MEMBER
        assert wire.ask("LeaveGroup", 1, group_id="g", member_id=member.id).error_code == NONE
        assert admin_commit(wire, "g", 7) == NONE


def test_commits_are_checked_partition_by_partition():
    with Broker(shards=2) as broker, Wire(broker.port) as wire:
        wire.create("t", 2)
        answer = wire.ask("OffsetCommit", 8, group_id="g", member_id="", topics=[
            {"name": "t", "partitions": [
                {"partition_index": p, "committed_offset": 5, "committed_metadata": m}
                for p, m in ((0, "x" * 4096), (1, "x" * 4097), (2, ""))]},
            {"name": "none", "partitions": [{"partition_index": 0, "committed_offset": 5}]}])
        found = {(t.name, p.partition_index): p.error_code for t in answer.topics for p in t.partitions}
        assert found == {("t", 0): NONE, ("t", 1): METADATA_TOO_LARGE, ("t", 2): UNKNOWN_TOPIC,
                         ("none", 0): UNKNOWN_TOPIC}
        assert committed(wire, "g").metadata == "x" * 4096
        assert admin_commit(wire, "", 1) == NONE  # old clients commit without a group's name


def test_a_group_that_never_existed_has_no_offsets_and_no_error():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        for version in range(1, 8):
            got = committed(wire, "never", version=version)
            assert (got.committed_offset, got.metadata, got.error_code) == (-1, "", NONE), (version, got)
        answer = wire.ask("OffsetFetch", 2, group_id="never", topics=None)
        assert answer.error_code == NONE and answer.topics == []


def test_no_topics_means_all_and_one_answer_has_several_groups():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t", 2)
        wire.create("u", 1)
        groups = [f"g{n}" for n in range(12)]
        for n, group in enumerate(groups):
            for topic, partition in (("t", 1), ("u", 0)):
                assert admin_commit(wire, group, n, topic, partition) == NONE
        for version in (2, 5, 7):
            answer = wire.ask("OffsetFetch", version, group_id="g3", topics=None)
            found = {(t.name, p.partition_index): p.committed_offset for t in answer.topics for p in t.partitions}
            assert found == {("t", 1): 3, ("u", 0): 3}
        answer = wire.ask("OffsetFetch", 8, groups=[{"group_id": g, "topics": None} for g in groups + ["never"]])
        found = {g.group_id: sorted(p.committed_offset for t in g.topics for p in t.partitions)
                 for g in answer.groups}
        assert found == dict({g: [n, n] for n, g in enumerate(groups)}, never=[])
        assert {g.error_code for g in answer.groups} == {NONE}


def test_find_coordinator_answers_each_key():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        for version in range(4):
            answer = wire.ask("FindCoordinator", version, key="g")
            assert (answer.error_code, answer.node_id, answer.host, answer.port) == (
                NONE, 1, "127.0.0.1", broker.port)
        for version in (4, 5, 6):
            answer = wire.ask("FindCoordinator", version, key_type=0, coordinator_keys=["a", "b", "c"])
            assert [(c.key, c.error_code, c.node_id) for c in answer.coordinators] == [
                (k, NONE, 1) for k in "abc"]


def test_groups_are_described_listed_and_deleted():
    with Broker(shards=4) as broker, Member(broker.port) as member, Wire(broker.port) as wire:
        wire.create("t")
        member.wire.client_id = "me"
        member.alone()
        got = describe(wire, "g")
        assert (got.group_state, got.protocol_type, got.protocol_data) == ("Stable", "consumer", "range")
        assert (got.members[0].member_id, got.members[0].client_id) == (member.id, "me")
        assert (got.members[0].member_metadata, got.members[0].member_assignment) == (b"meta", b"all")
        assert (describe(wire, "none").group_state, describe(wire, "none").error_code) == ("Dead", NONE)
        assert describe(wire, "none", 6).error_code == GROUP_NOT_FOUND
        admin_commit(wire, "empty", 1)

        def listed(**more):
            return sorted(g.group_id for g in wire.ask("ListGroups", 5, **more).groups)
        assert listed() == ["empty", "g"]
        assert listed(states_filter=["Stable"]) == ["g"] and listed(states_filter=["Empty"]) == ["empty"]
        assert listed(types_filter=["classic"]) == ["empty", "g"] and listed(types_filter=["consumer"]) == []
        results = wire.ask("DeleteGroups", 2, groups_names=["g", "empty", "none"]).results
        assert {r.group_id: r.error_code for r in results} == {
            "g": NON_EMPTY, "empty": NONE, "none": GROUP_NOT_FOUND}
        assert listed() == ["g"] and committed(wire, "empty").committed_offset == -1


def test_offsets_are_deleted_unless_a_member_subscribes():
    with Broker(shards=2) as broker, Wire(broker.port) as wire:
        wire.create("t")
        wire.create("u")
        with Member(broker.port, protocols=(("range", subscription("t")),)) as member:
            member.alone()
            assert member.commit(topic="t") == NONE and member.commit(topic="u") == NONE

            def delete(group):
                answer = wire.ask("OffsetDelete", 0, group_id=group, topics=[
                    {"name": n, "partitions": [{"partition_index": 0}]} for n in ("t", "u")])
                return answer.error_code, [t.partitions[0].error_code for t in answer.topics]
            assert delete("g") == (NONE, [SUBSCRIBED, NONE])
            assert delete("none")[0] == GROUP_NOT_FOUND
            assert committed(wire, "g").committed_offset == 1
            assert committed(wire, "g", topic="u").committed_offset == -1
            assert member.heartbeat() == NONE


def test_groups_offsets_and_members_survive_a_crash_and_a_stop():
    with Broker(shards=4) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", 2)
            for n in range(10):
                assert admin_commit(wire, f"g{n}", 100 + n, metadata=f"m{n}") == NONE
        with Member(broker.port, "live") as member:
            member.alone()
            assert member.commit(55) == NONE
            generation, identity = member.generation, member.id
        for kill in (True, False):
            broker.restart(kill=kill)
            with Wire(broker.port) as wire, Member(broker.port, "live") as back:
                for n in range(10):
                    got = committed(wire, f"g{n}")
                    assert (got.committed_offset, got.metadata) == (100 + n, f"m{n}")
                back.id, back.generation = identity, generation
                assert back.heartbeat() == NONE
                assert back.sync().assignment == b"all"
                assert committed(wire, "live").committed_offset == 55


def test_offsets_are_deleted_with_their_topic():
    with Broker(shards=4) as broker, Wire(broker.port) as wire, Member(broker.port) as member:
        wire.create("t")
        member.alone()
        assert member.commit(9) == NONE
        wire.ask("DeleteTopics", 5, topic_names=["t"], timeout_ms=5000)
        assert member.commit(10) == UNKNOWN_TOPIC
        wait_until(lambda: committed(wire, "g").committed_offset == -1, 10, "the offset to go")
        wire.create("t")
        assert committed(wire, "g").committed_offset == -1 and member.commit(1) == NONE


def test_a_consumer_that_waits_for_a_topic_gets_it_when_it_is_created():
    """The subscription forbids creation, so it never creates the topic."""
    with Broker(shards=2) as broker, Wire(broker.port) as wire:
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": broker.address, "group.id": "g", "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False, "topic.metadata.refresh.interval.ms": 200})
        consumer.subscribe(["later"])
        message = consumer.poll(5)
        assert message.error().code() == confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART
        assert wire.metadata("later").topics[0].error_code == UNKNOWN_TOPIC
        wire.create("later", 2)
        wire.produce("later", make_batch([b"at last"]), 1)
        found = []

        def polled():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                found.append(message.value())
            return found
        assert wait_until(polled, 20, "the record") == [b"at last"]
        consumer.close()


def test_static_consumers_of_librdkafka_return_without_a_rebalance():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t", 4)
        assigned = {"a": [], "b": []}

        def consumer(name):
            made = confluent_kafka.Consumer({
                "bootstrap.servers": broker.address, "group.id": "g", "group.instance.id": name,
                "session.timeout.ms": 30_000, "heartbeat.interval.ms": 100})
            made.subscribe(["t"], on_assign=lambda _, parts: assigned[name].append(
                sorted(p.partition for p in parts)))
            return made
        a, b = consumer("a"), consumer("b")
        wait_until(lambda: [a.poll(0.05), b.poll(0.05)] and assigned["a"] and assigned["b"] and
                   sorted(assigned["a"][-1] + assigned["b"][-1]) == [0, 1, 2, 3], 30, "a balanced group")
        rounds, mine = len(assigned["a"]), assigned["b"][-1]
        generation = describe(wire, "g").members
        b.close()
        b = consumer("b")
        count = len(assigned["b"])
        wait_until(lambda: [a.poll(0.05), b.poll(0.05)] and len(assigned["b"]) > count, 30, "the return")
        assert assigned["b"][-1] == mine and len(assigned["a"]) == rounds and len(generation) == 2
        a.close()
        b.close()


def test_kafka_python_shows_groups():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t")
        for n in range(6):
            admin_commit(wire, f"g{n}", n)
        admin = KafkaAdminClient(bootstrap_servers=broker.address)
        assert sorted(admin.list_consumer_groups()) == [(f"g{n}", "") for n in range(6)]
        offsets = admin.list_consumer_group_offsets("g3")
        assert [(tp.topic, tp.partition, o.offset) for tp, o in offsets.items()] == [("t", 0, 3)]
        assert admin.describe_consumer_groups(["g3"])[0].state == "Empty"
        admin.close()


def test_many_groups_work_at_once_over_all_shards():
    with Broker(shards=4) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", 4)
        failed = []

        def life(name):
            try:
                first, second = two_members(broker.port, group=name)
                with first, second:
                    for n in range(20):
                        assert first.commit(n, partition=0) == NONE and second.commit(n, partition=1) == NONE
                        assert first.heartbeat() == NONE
                    assert first.wire.ask("LeaveGroup", 1, group_id=name, member_id=first.id).error_code == NONE
                    wait_until(lambda: second.heartbeat() == REBALANCE, 10, "the rebalance")
                    assert second.join().leader == second.id
            except Exception as error:
                failed.append((name, error))
        threads = [threading.Thread(target=life, args=(f"g{n}",)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, failed[:3]
