"""The scenario that every client of the matrix runs.

Create a topic; a group of three members; 20,000 records with each codec of the client, while one member leaves in
the middle; commit; restart the broker; a new member joins, more records come, and the group must continue exactly at
its position. Contents and order are compared record by record.

A client is a program that reads and writes lines (integration/clients, integration/node, interop):

    PROGRAM codecs                                          {"codecs": ["none", ...]}
    PROGRAM create ADDRESS TOPIC PARTITIONS                 {"created": true}
    PROGRAM produce ADDRESS TOPIC PARTITIONS CODEC FIRST COUNT    {"produced": COUNT}
    PROGRAM consume ADDRESS TOPIC GROUP                     a member, told on its standard input to
        "commit" -> {"committed": true}      its place, as far as it has printed
        "leave"  -> {"left": true}           commits, leaves the group and ends
      and it prints {"assigned": [PARTITION...]} after each rebalance and for each record
      {"p": PARTITION, "o": OFFSET, "k": KEY, "v": VALUE, "h": {NAME: VALUE}}.

Record n goes to partition n % PARTITIONS with key, value and one header as below, so its offset there must be n //
PARTITIONS.
"""
import json
import pathlib
import queue
import signal
import subprocess
import threading

from broker import Broker, quick, wait_until

INTEGRATION = pathlib.Path(__file__).resolve().parents[1] / "integration"
PARTITIONS = 4
RECORDS = 2_000 if quick() else 20_000
AFTER_RESTART = RECORDS // 10
SECONDS = 120


def key_of(n):
    return f"key-{n % 1000}"


def value_of(n):
    return f"record {n:08d} " + "0123456789abcdef" * 5


def lines_of(command, seconds=SECONDS):
    """Runs a client to its end and returns its output, decoded."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", timeout=seconds)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr[-4000:]}"
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


class Member:
    """One running group member: its assignment and its records."""

    def __init__(self, command):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, encoding="utf-8")
        self.assigned = []
        self.records = []
        self.answers = queue.Queue()
        self.errors = []
        self.readers = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self.readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            if not line.startswith("{"):
                continue
            said = json.loads(line)
            if "o" in said:
                self.records.append(said)
            elif "assigned" in said:
                self.assigned = sorted(said["assigned"])
            else:
                self.answers.put(said)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors = self.errors[-30:] + [line.rstrip()]

    def tell(self, word):
        """Sends a command and waits for its answer."""
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        try:
            return self.answers.get(timeout=SECONDS)
        except queue.Empty:
            raise AssertionError(f"no answer to {word}; it said:\n" + "\n".join(self.errors)) from None

    def leave(self):
        assert self.tell("leave") == {"left": True}
        self.process.stdin.close()
        code = self.process.wait(SECONDS)
        assert code == 0, f"the member ended with {code}:\n" + "\n".join(self.errors)
        for reader in self.readers:
            reader.join(SECONDS)
        self.assigned = []

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Group:
    """The members of one group and all of their records."""

    def __init__(self, command):
        self.command = command
        self.members = []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for member in self.members:
            if kind is not None and member.errors:
                print("a member said:\n  " + "\n  ".join(member.errors[-10:]))
            member.close()

    def join(self):
        self.members.append(Member(self.command))
        return self.members[-1]

    def alive(self):
        return [m for m in self.members if m.process.poll() is None]

    def settled(self, count):
        """All partitions are assigned once, and each of `count` members has some."""
        def check():
            members = self.alive()
            shares = [m.assigned for m in members]
            return (len(members) == count and all(shares)
                    and sorted(sum(shares, [])) == list(range(PARTITIONS)))
        try:
            wait_until(check, SECONDS, f"{count} members to share {PARTITIONS} partitions")
        except AssertionError as error:
            raise AssertionError(f"{error}: {[m.assigned for m in self.members]}") from None

    def seen(self):
        return {(r["p"], r["o"]) for m in self.members for r in list(m.records)}

    def wait_for(self, count):
        try:
            wait_until(lambda: sum(len(m.records) for m in self.members) >= count
                       and len(self.seen()) >= count, SECONDS, f"{count} records")
        except AssertionError as error:
            raise AssertionError(f"{error}, saw {len(self.seen())}") from None


def expected(first, end):
    """{(partition, offset): n} of the records [first, end)."""
    return {(n % PARTITIONS, n // PARTITIONS): n for n in range(first, end)}


def check_records(members, wanted, codecs):
    """Each expected record was read with its content, and no other."""
    seen = set()
    for member in members:
        for r in member.records:
            place = (r["p"], r["o"])
            assert place in wanted, f"a record that was never written: {r}"
            n = wanted[place]
            assert r["k"] == key_of(n) and r["v"] == value_of(n), f"not record {n}: {r}"
            codec = codecs[min(n // RECORDS, len(codecs) - 1)]
            assert r["h"] == {"codec": codec}, f"not the header of record {n}: {r}"
            seen.add(place)
    missing = sorted(set(wanted) - seen)
    assert not missing, f"{len(missing)} records missing, the first (partition, offset) {missing[0]}"


def check_order(member):
    """A member reads each partition in order. It may go back only after a rebalance."""
    last, back = {}, 0
    for r in member.records:
        if r["o"] != last.get(r["p"], r["o"] - 1) + 1:
            back += 1
        last[r["p"]] = r["o"]
    assert back <= 2 * PARTITIONS, f"{back} jumps in the order"


def produce_all(program, address, topic, codecs, first, on_half=None):
    """RECORDS with each codec; on_half is called once, in the middle of it."""
    for i, codec in enumerate(codecs):
        said = lines_of([*program, "produce", address, topic, str(PARTITIONS), codec,
                         str(first + i * RECORDS), str(RECORDS)])
        assert said[-1] == {"produced": RECORDS}, said
        if on_half and i == (len(codecs) - 1) // 2:
            on_half()
    return first + len(codecs) * RECORDS


def run_scenario(program, shards):
    """Runs the whole scenario with the client `program` (a command)."""
    topic, group_id = "matrix", "matrix-group"
    codecs = lines_of([*program, "codecs"])[0]["codecs"]
    # kcat cannot request a number of partitions.
    with Broker(shards, settings={"num.partitions": PARTITIONS}) as broker:
        assert lines_of([*program, "create", broker.address, topic, str(PARTITIONS)])[-1] == {"created": True}
        with Group([*program, "consume", broker.address, topic, group_id]) as group:
            first, second, third = (group.join() for _ in range(3))
            group.settled(3)
            end = produce_all(program, broker.address, topic, codecs, 0, on_half=first.leave)
            group.settled(2)
            group.wait_for(end)
            check_records(group.members, expected(0, end), codecs)
            for member in (first, second, third):
                check_order(member)
            for member in (second, third):
                assert member.tell("commit") == {"committed": True}
            second.leave()
            group.settled(1)
            broker.restart()
            go_on(program, broker, topic, group, codecs, end)


def go_on(program, broker, topic, group, codecs, first):
    """After the restart: no record is read twice, and none is missing."""
    survivor, newcomer = group.alive()[0], group.join()
    group.settled(2)
    before = len(survivor.records)
    said = lines_of([*program, "produce", broker.address, topic, str(PARTITIONS), codecs[-1],
                     str(first), str(AFTER_RESTART)])
    assert said[-1] == {"produced": AFTER_RESTART}, said
    group.wait_for(first + AFTER_RESTART)
    fresh = survivor.records[before:] + newcomer.records
    places = [(r["p"], r["o"]) for r in fresh]
    assert len(places) == len(set(places)), "records were read twice after the restart"
    assert set(places) == set(expected(first, first + AFTER_RESTART)), "not the records after the restart"
    check_records(group.members, expected(0, first + AFTER_RESTART), codecs)
    survivor.leave()
    newcomer.leave()


def python_client(name, python="/usr/bin/python3"):
    return [str(python), str(INTEGRATION / "clients" / name)]


def node_client(name):
    node = INTEGRATION / "node"
    return [str(node / "node_modules" / ".bin" / "node"), str(node / name)]
