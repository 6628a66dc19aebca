"""The tidemill command with a real broker: results in text, JSON and TSV, exit codes, records that are read unchanged,
groups, processors, and the behaviour without a broker and at Ctrl-C."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import pathlib

from broker import Broker, build_directory, wait_until

PIPELINE = """[events/check]
type = validate
json = true
[events/uniq]
type = dedup
after = check
id = value.id
within = 10m
duplicates = events.dup
output = events.once
"""
UNREACHABLE = "127.0.0.1:1"


class Tool:
    """Runs commands against one broker."""

    def __init__(self, address):
        self.address = address
        self.program = str(build_directory() / "tidemill")
        self.environment = {**os.environ, "TIDEMILL_BROKERS": address, "HOME": "/nonexistent"}
        self.environment.pop("XDG_CONFIG_HOME", None)

    def run(self, *words, stdin="", code=0):
        done = subprocess.run([self.program, *map(str, words)], input=stdin, env=self.environment,
                              capture_output=True, encoding="utf-8", timeout=60, check=False)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done

    def text(self, *words, stdin="", code=0):
        return self.run(*words, stdin=stdin, code=code).stdout

    def json(self, *words, stdin="", code=0):
        return json.loads(self.text(*words, "-J", stdin=stdin, code=code))

    def start(self, *words):
        return subprocess.Popen([self.program, *map(str, words)], env=self.environment,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, encoding="utf-8")


def test_topics_are_created_listed_changed_and_deleted():
    with Broker() as broker:
        tool = Tool(broker.address)
        made = tool.json("topic", "create", "orders", "clicks", "-p", 3, "-c", "retention.ms=1d")
        assert [row["partitions"] for row in made["topics"]] == [3, 3]
        again = tool.json("topic", "create", "orders", "new", code=1)
        assert [row["error"] for row in again["topics"]] == ["TOPIC_ALREADY_EXISTS", None]
        tool.run("topic", "create", "orders", "--if-not-exists")
        assert tool.text("topic", "list", "--format", "tsv", "-r", "orders|cl.*") == \
            "clicks\t3\t1\tfalse\t-\t-\t0\norders\t3\t1\tfalse\t-\t-\t0\n"
        tool.run("produce", "orders", "-p", 1, stdin="x" * 5000 + "\n")
        listed = tool.json("topic", "list", "orders", "absent", code=1)["topics"]
        assert 5000 < listed[0]["size_bytes"] < 5200 and listed[1]["size_bytes"] is None
        assert [row["size_bytes"] for row in tool.json("topic", "describe", "orders")["partitions"]] == \
            [0, listed[0]["size_bytes"], 0]
        assert re.search(r"SIZE\n", tool.text("topic", "list"))
        tool.run("topic", "set", "orders", "retention.ms=7d")
        described = tool.json("topic", "describe", "orders")
        assert described["configs"] == [{"topic": "orders", "key": "retention.ms",
                                         "value": "604800000", "source": "topic"}]
        assert len(described["partitions"]) == 3
        wrong = tool.json("topic", "set", "orders", "retention.msx=7d", code=1)
        assert wrong["configs"][0]["error"] == "INVALID_CONFIG"
        tool.run("topic", "set", "orders", "retention.ms=2d", "--dry-run")
        tool.run("topic", "unset", "orders", "retention.ms")
        assert tool.json("topic", "describe", "orders")["configs"] == []
        tool.run("topic", "add-partitions", "orders", "-p", 2)
        assert tool.json("topic", "list", "orders")["topics"][0]["partitions"] == 5
        tool.run("topic", "delete", "orders", code=2)
        tool.run("topic", "delete", "orders", "--dry-run")
        gone = tool.json("topic", "delete", "orders", "absent", "--yes", code=1)
        assert {row["topic"]: row["error"] for row in gone["topics"]} == {
            "orders": None, "absent": "UNKNOWN_TOPIC_OR_PARTITION"}
        missing = tool.run("topic", "describe", "click", code=1)
        assert "did you mean clicks?" in missing.stderr


def test_a_topic_is_trimmed_before_an_offset_or_a_time():
    with Broker(shards=2) as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t", "-p", 3)
        for partition in range(3):
            tool.run("produce", "t", "-p", partition, stdin="".join(f"{i}\n" for i in range(10)))

        def starts():
            return [row["start_offset"] for row in tool.json("topic", "describe", "t")["partitions"]]
        assert "standard input is not a terminal" in tool.run("topic", "trim", "t", "-o", 4, code=2).stderr
        plan = tool.json("topic", "trim", "t", "-o", 4, "-p", "0,2", "--dry-run")["partitions"]
        assert plan[1] == {"topic": "t", "partition": 2, "start_offset": 0, "new_start_offset": 4, "end_offset": 10,
                           "records": 4, "error": None, "message": None}
        assert starts() == [0, 0, 0]
        assert tool.json("topic", "trim", "t", "-o", 4, "-p", "0,2", "--yes")["partitions"] == plan
        assert starts() == [4, 0, 4]
        assert tool.text("topic", "trim", "t", "-o", "@-1h", "--yes", "--format", "tsv") == \
            "t\t0\t4\t4\t10\t0\t-\t-\nt\t1\t0\t0\t10\t0\t-\t-\nt\t2\t4\t4\t10\t0\t-\t-\n"
        tool.run("topic", "trim", "t", "-o", "-2", "-p", 1, "--yes")
        assert starts() == [4, 8, 4]
        wrong = tool.json("topic", "trim", "t", "-o", 11, "-p", "1,7", "--yes", code=1)["partitions"]
        assert [row["error"] for row in wrong] == ["OFFSET_OUT_OF_RANGE", "UNKNOWN_TOPIC_OR_PARTITION"]
        assert starts() == [4, 8, 4]
        tool.run("topic", "trim", "t", "-o", "@now", "--yes")
        assert starts() == [10, 10, 10]
        assert tool.text("consume", "t", "-o", ":end") == ""
        tool.run("topic", "trim", "t", "--yes", code=2)
        tool.run("topic", "trim", "t", "-o", "3:5", "--yes", code=2)
        tool.run("topic", "trim", "t", "-o", "3", "-p", "x", "--yes", code=2)
        tool.run("topic", "trim", "u", "-o", "3", "--yes", code=1)
        tool.run("topic", "create", "table", "-c", "cleanup.policy=compact")
        tool.run("produce", "table", "-k", "k", stdin="1\n2\n")
        refused = tool.json("topic", "trim", "table", "-o", "end", "--yes", code=1)["partitions"]
        assert refused[0]["error"] == "POLICY_VIOLATION"


def test_records_are_read_as_they_were_written():
    with Broker(shards=2) as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t", "-p", 2)
        records = [{"key": "a", "value": {"n": 1.0}, "headers": [{"key": "h", "value": None}]},
                   {"key": None, "value": "text", "headers": []},
                   {"key": [1, 2], "value": None, "headers": []},
                   {"key": "null", "value": "null", "headers": []},
                   {"key_base64": "/wA=", "value_base64": "AAEC/w==", "headers": []}]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            tool.run("produce", "t", "--input", "jsonl", "-z", codec, "-p", 1, stdin=lines)
        first = tool.text("consume", "t", "-o", ":end")
        read = [json.loads(line) for line in first.splitlines()]
        assert [row["offset"] for row in read] == list(range(25))
        for row, record in zip(read, records * 5):
            assert {key: row[key] for key in record} == record
        tool.run("topic", "create", "copy", "-p", 2)
        tool.run("produce", "copy", "--input", "jsonl", stdin=first)
        second = tool.text("consume", "copy", "-o", ":end")
        assert second == first.replace('"topic":"t"', '"topic":"copy"')


def test_offsets_formats_and_limits_choose_what_is_shown():
    with Broker() as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t")
        tool.run("produce", "t", "-k", "k", stdin="".join(f"{i}\n" for i in range(100)))

        def values(*words):
            return [int(line) for line in
                    tool.text("consume", "t", "-f", "%v\\n", *words).splitlines()]
        assert values("-o", ":end") == list(range(100))
        assert values("-o", "-3:end") == [97, 98, 99]
        assert values("-o", "+97:end") == [97, 98, 99]
        assert values("-o", "5:8") == [5, 6, 7]
        assert values("-n", 2) == [0, 1]
        assert values("-o", "@-1h:end", "-n", 1) == [0]
        assert tool.text("consume", "t", "-n", 1, "-f", "%t/%p/%o %k %V\\n") == "t/0/0 k 1\n"
        assert tool.run("consume", "t", "-f", "%z", code=2).stdout == ""


def test_a_group_commits_resumes_and_can_be_moved():
    with Broker() as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t", "-p", 2)
        tool.run("produce", "t", "-K", ":", stdin="".join(f"{i}:{i}\n" for i in range(50)))
        read = [int(tool.text("consume", "t", "-g", "g", "-n", 1, "-f", "%v\\n"))
                for _ in range(3)]
        read += map(int, tool.text("consume", "t", "-g", "g", "-n", 47, "-f", "%v\\n").split())
        assert sorted(read) == list(range(50))
        described = tool.json("group", "describe", "g")
        assert described["groups"][0]["lag_records"] == 0
        assert sum(row["committed_offset"] for row in described["partitions"]) == 50
        assert [row["group"] for row in tool.json("group", "list")["groups"]] == ["g"]
        planned = tool.json("group", "seek", "g", "-o", "-5", "--dry-run")["partitions"]
        moved = tool.json("group", "seek", "g", "-o", "-5", "--yes")["partitions"]
        assert planned == moved
        assert tool.json("group", "describe", "g")["groups"][0]["lag_records"] == 10
        tool.run("group", "delete", "g", code=2)
        tool.run("group", "delete", "g", "--yes")
        assert tool.json("group", "describe", "g", code=1)["groups"][0]["error"] == \
            "GROUP_ID_NOT_FOUND"


def test_members_share_partitions_and_leave_at_ctrl_c():
    with Broker() as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t", "-p", 4)
        members = [tool.start("consume", "t", "-g", "g", "-f", "%v\\n",
                              "-X", "heartbeat.interval.ms=200ms") for _ in range(2)]

        def shared():
            rows = tool.json("group", "describe", "g", code=0)["members"]
            return sorted(row["partitions"] for row in rows) == [2, 2]
        tool.run("produce", "t", stdin="first\n")
        wait_until(lambda: tool.text("group", "list") != "", 20, "the group")
        wait_until(shared, 20, "two members with two partitions each")
        tool.run("produce", "t", "-K", ":", stdin="".join(f"{i}:{i}\n" for i in range(40)))
        wait_until(lambda: tool.json("group", "describe", "g")["groups"][0]["members"] == 2, 10,
                   "both members")

        def stop(member):
            member.send_signal(signal.SIGINT)
            out, err = member.communicate(timeout=20)
            assert member.returncode == 0, err
            return out.split()
        read = stop(members[0])
        wait_until(lambda: tool.json("group", "describe", "g")["groups"][0]["members"] == 1, 20,
                   "the first member to leave")
        wait_until(lambda: [row["partitions"] for row in
                            tool.json("group", "describe", "g")["members"]] == [4], 20,
                   "the second member to take over")
        read += stop(members[1])
        rest = tool.text("consume", "t", "-o", ":end", "-f", "%v\\n").split()
        assert set(read) <= set(rest) and len(read) == len(set(read))
        assert tool.json("group", "describe", "g")["groups"][0]["state"] == "Empty"


def test_processors_are_applied_exported_tested_and_deleted():
    with Broker() as broker, tempfile.TemporaryDirectory() as folder:
        tool = Tool(broker.address)
        path = pathlib.Path(folder) / "events.properties"
        path.write_text(PIPELINE, encoding="utf-8")
        records = '{"value":{"id":1}}\n{"value":{"id":1}}\n{"value":"no json"}\n{"value":{"id":2}}\n'
        tried = [json.loads(line)["topic"] for line in
                 tool.text("processor", "test", "-f", path, stdin=records).splitlines()]
        assert sorted(tried) == ["dlq.events", "events.dup", "events.once", "events.once"]
        missing = tool.json("processor", "apply", "-f", path, code=1)["changes"]
        assert [(row["action"], row["error"]) for row in missing] == \
            [("refused", "UNKNOWN_TOPIC_OR_PARTITION")]
        tool.run("topic", "create", "events")
        tool.run("processor", "apply", "-f", path, "--dry-run")
        assert tool.json("processor", "list")["processors"] == []
        tool.run("processor", "apply", "-f", path)
        assert tool.json("processor", "apply", "-f", path)["changes"][0]["action"] == "unchanged"
        listed = tool.json("processor", "list")["processors"]
        assert [(row["processor"], row["type"]) for row in listed] == [("check", "validate"),
                                                                       ("uniq", "dedup")]
        exported = tool.text("processor", "export", "events")
        assert re.findall(r"\[(.*)\]", exported) == ["events/check", "events/uniq"]
        path.write_text(exported, encoding="utf-8")
        assert tool.json("processor", "apply", "-f", path)["changes"][0]["action"] == "unchanged"
        tool.run("produce", "events", "--input", "jsonl", stdin=records)
        tool.run("consume", "events.once", "events.dup", "-n", 3)
        dead = wait_until(lambda: tool.json("dlq", "list")["topics"], 10, "dead letters")
        assert dead[0]["topic"] == "dlq.events" and dead[0]["records"] == 1
        reasons = tool.json("dlq", "inspect", "events")["records"]
        assert [(row["code"], row["source_offset"]) for row in reasons] == [("MALFORMED_JSON", 2)]
        assert tool.json("dlq", "inspect", "events", "--code", "LATE")["records"] == []
        path.write_text("[events/check]\ntype = validate\njson = true\n", encoding="utf-8")
        tool.run("processor", "apply", "-f", path, "--prune", code=2)
        tool.run("processor", "apply", "-f", path, "--prune", "--yes")
        tool.run("processor", "delete", "events/check", "--yes")
        assert tool.json("processor", "list")["processors"] == []
        tool.run("processor", "describe", "events/check", code=1)


def test_a_refused_file_names_the_wrong_line_once():
    with Broker() as broker, tempfile.TemporaryDirectory() as folder:
        tool = Tool(broker.address)
        path = pathlib.Path(folder) / "events.properties"
        path.write_text(PIPELINE.replace("after = check", "after = chek"), encoding="utf-8")
        tool.run("topic", "create", "events")
        refused = tool.run("processor", "apply", "-f", path, code=1)
        assert f"  from  {path}:6\n" in refused.stderr
        assert len(refused.stdout.splitlines()) == 2 and "processor.uniq.after" in refused.stdout
        row, = tool.json("processor", "apply", "-f", path, code=1)["changes"]
        assert (row["topic"], row["processor"], row["action"], row["value"], row["error"]) == \
            ("events", "uniq", "refused", "chek", "INVALID_CONFIG")
        assert tool.json("processor", "list")["processors"] == []


def test_an_export_can_be_applied_again_in_the_order_of_the_chain():
    with Broker() as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t", "out")
        where = r"value.a != ' # \\n=\u00e9 ' || key == '[x]'"
        tool.run("topic", "set", "t", "retention.ms=7d", "processor.z.type=filter",
                 "processor.z.where=key != null", "processor.a.type=filter", "processor.a.after=z", f"processor.a.where={where}",
                 "processor.a.output=out")
        exported = tool.text("processor", "export", "t", "--all")
        assert re.findall(r"\[(.*)\]\n", exported) == ["t", "t/z", "t/a"], exported
        again = tool.run("processor", "apply", "-f", "-", stdin=exported)
        assert "unchanged" in again.stdout
        assert [row["processor"] for row in tool.json("processor", "list")["processors"]] == ["z", "a"]
        tool.run("processor", "delete", "t", "--yes")
        tool.run("processor", "apply", "-f", "-", stdin=exported)
        assert tool.text("processor", "export", "t", "--all") == exported


def test_misspelt_names_get_a_suggestion():
    with Broker() as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "orders")
        tool.run("topic", "set", "orders", "processor.m1.type=filter", "processor.m1.where=key != null",
                 "processor.m1.output=orders.m1")
        for words, hint in ((("topic", "unset", "orders", "retention.msx"), "retention.ms"),
                            (("topic", "describe", "ordrs"), "orders"), (("consume", "ordrs"), "orders"),
                            (("processor", "describe", "ordrs"), "orders"),
                            (("processor", "export", "ordrs"), "orders"),
                            (("processor", "describe", "orders/m2"), "orders/m1"),
                            (("dlq", "inspect", "ordrs"), "orders")):
            assert f"did you mean {hint}?" in tool.run(*words, code=1).stderr, words
        for words, hint in ((("topc", "list"), "topic"), (("topic", "lst"), "list"),
                            (("topic", "list", "--regexp"), "--regex"),
                            (("topic", "list", "-X", "bootstrap.server=x"), "bootstrap.servers")):
            assert f"did you mean {hint}?" in tool.run(*words, code=2).stderr, words


def test_only_text_output_reports_that_nothing_was_found():
    with Broker() as broker:
        tool = Tool(broker.address)
        for words, what in ((("topic", "list"), "topics"), (("group", "list"), "groups"),
                            (("processor", "list"), "processors"), (("dlq", "list"), "topics")):
            found = tool.run(*words)
            assert (found.stdout, found.stderr) == ("", f"no {what}\n"), words
            assert tool.run(*words, "--format", "tsv").stderr == ""
        listed = tool.run("topic", "list", "nope", code=1)
        assert "UNKNOWN_TOPIC_OR_PARTITION" in listed.stdout


def test_a_result_that_cannot_be_written_is_a_failure():
    with Broker() as broker, open("/dev/full", "w", encoding="ascii") as full:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t")
        tool.run("topic", "set", "t", "processor.p.type=filter", "processor.p.where=key != null",
                 "processor.p.output=out")
        tool.run("produce", "t", stdin="x\n")
        for words in (("topic", "list"), ("consume", "t", "-o", ":end"), ("processor", "export")):
            done = subprocess.run([tool.program, *words], env=tool.environment, check=False, timeout=60,
                                  stdout=full, stderr=subprocess.PIPE, encoding="utf-8")
            assert done.returncode == 1 and "No space left" in done.stderr, words
            piped = subprocess.run(["bash", "-c", '"$@" | true; echo ${PIPESTATUS[0]}', "bash",
                                    tool.program, *words], env=tool.environment, check=True, timeout=60,
                                   capture_output=True, encoding="utf-8")
            assert (piped.stdout, piped.stderr) == ("0\n", ""), words


def test_help_is_where_people_look_for_it():
    tool = Tool(UNREACHABLE)
    wanted = tool.text("topic", "create", "--help")
    assert tool.text("help", "topic", "create") == wanted == tool.text("topic", "create", "-h")
    assert tool.text("help", "topic") == tool.text("topic", "--help")
    assert tool.text("help") == tool.text("--help")
    assert "did you mean topic?" in tool.run("topc", "--help", code=2).stderr


def test_the_cluster_and_the_doctor_agree():
    with Broker() as broker:
        tool = Tool(broker.address)
        cluster = tool.json("cluster", "describe")
        assert cluster["brokers"][0]["port"] == broker.port
        checks = tool.json("doctor")["checks"]
        assert all(row["error"] is None for row in checks) and len(checks) >= 5


def test_an_unreachable_advertised_address_is_named():
    with Broker(settings={"advertised.listeners": "PLAINTEXT://127.0.0.1:1"}) as broker:
        tool = Tool(broker.address)
        sick = tool.run("doctor", code=3)
        assert "advertised.listeners" in sick.stderr and "connect" in sick.stdout


def test_without_a_broker_every_command_exits_with_3():
    tool = Tool(UNREACHABLE)
    for words in (("topic", "list"), ("topic", "create", "x"), ("topic", "describe", "x"),
                  ("produce", "x"), ("consume", "x"), ("group", "list"), ("group", "describe", "x"),
                  ("processor", "list"), ("dlq", "list"), ("cluster", "describe"), ("doctor",)):
        done = tool.run(*words, "-J", stdin="x\n", code=3)
        document = json.loads(done.stdout)
        assert document["error"] == "UNREACHABLE" and document["version"] == 1
        assert done.stderr.startswith("error: cannot reach 127.0.0.1:1: connection refused\n"
                                      "  from  TIDEMILL_BROKERS\n  hint  ")


def test_usage_errors_exit_with_2_before_anything_is_tried():
    tool = Tool(UNREACHABLE)
    for words in (("topc",), ("topic",), ("topic", "create"), ("topic", "list", "--no-such"),
                  ("consume", "x", "-o", "soon"), ("produce",), ("group", "seek", "g"),
                  ("processor", "apply"), ("topic", "create", "x", "-p", "0"),
                  ("topic", "list", "-X", "nope=1"), ("consume", "x", "-X", "isolation.level=x"),
                  ("produce", "x", "-X", "acks=2"), ("produce", "x", "-X", "compression.type=x")):
        assert tool.run(*words, code=2).stderr.startswith("error: ")


def test_interrupted_commands_exit_with_130_and_streams_with_0():
    with Broker() as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t")
        stream = tool.start("consume", "t")
        tool.run("produce", "t", stdin="x\n")
        stream.stdout.readline()
        stream.send_signal(signal.SIGINT)
        assert stream.wait(20) == 0
        stream.communicate()
        writer = tool.start("produce", "t")
        writer.stdin.write("y\n")
        writer.stdin.flush()
        wait_until(lambda: tool.json("topic", "describe", "t")["partitions"][0]["end_offset"] == 2,
                   10, "the line before the end of input")
        writer.send_signal(signal.SIGINT)
        out, _ = writer.communicate(timeout=20)
        assert writer.returncode == 0 and "t" in out
        broker.process.send_signal(signal.SIGSTOP)
        try:
            waiting = tool.start("topic", "list", "--timeout", "20s")
            try:
                waiting.communicate(timeout=1)
            except subprocess.TimeoutExpired:
                waiting.send_signal(signal.SIGINT)
            waiting.communicate(timeout=20)
            assert waiting.returncode == 130
            slow = tool.run("topic", "list", "--timeout", "300ms", code=3)
            assert "within the time limit" in slow.stderr
        finally:
            broker.process.send_signal(signal.SIGCONT)


def test_completion_in_bash_offers_the_words_that_fit():
    with Broker() as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "orders", "clicks")
        ask = ("eval \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); "
               "_tidemill \"$1\"; echo \"${COMPREPLY[*]}\"")

        def offered(*words):
            return subprocess.run(["bash", "-c", ask, "bash", tool.text("completion", "bash"),
                                   tool.program, *words], env=tool.environment, check=True,
                                  capture_output=True, encoding="utf-8").stdout.split()
        assert offered("to") == ["topic"]
        assert offered("topic", "de") == ["describe", "delete"]
        assert offered("topic", "create", "--pa") == ["--partitions"]
        assert offered("topic", "ls", "--reg") == ["--regex"]
        assert offered("topic", "list", "--format", "j") == ["json"]
        assert offered("produce", "orders", "-z", "") == ["none", "gzip", "snappy", "lz4", "zstd"]
        assert offered("topic", "describe", "") == ["clicks", "orders"] == offered("consume", "")
        assert offered("completion", "") == ["bash", "zsh", "fish", "man"]


def test_the_manual_page_has_every_command_and_is_valid_roff():
    tool = Tool(UNREACHABLE)
    page = tool.text("completion", "man")
    commands = json.loads(tool.text("--help-json"))["commands"]
    assert page.count("\n.SS ") == len(commands)
    for command in commands:
        assert f'\n.SS "tidemill {command["name"]} '.replace("-", "\\-") in page, command["name"]
    known = {".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi", ".B", ".I"}
    assert {line.split()[0] for line in page.splitlines() if line[0] in ".'"} == known
    assert set(re.findall(r"\\(.)", page)) <= set("-fe&")


def test_completion_is_made_for_each_shell():
    tool = Tool(UNREACHABLE)
    script = tool.text("completion", "bash")
    subprocess.run(["bash", "-n"], input=script, encoding="utf-8", check=True)
    assert "describe" in script
    assert "-l format -xa 'text wide json tsv tsv-header'" in tool.text("completion", "fish")
    assert tool.text("completion", "zsh").startswith("#compdef tidemill\n")
    names = [command["name"] for command in json.loads(tool.text("--help-json"))["commands"]]
    assert "processor apply" in names and len(names) == len(set(names))


class LossyProxy:
    """Passes bytes on to a broker. It drops the first answer to a Produce request with its connection, so that the
    client cannot know whether the records were written."""

    PRODUCE = b"\0\0"

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.broker_port = 0
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        try:
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()
        except OSError:
            pass  # closed

    @staticmethod
    def _frame(connection):
        size = connection.recv(4, socket.MSG_WAITALL)
        return size + connection.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL) if size else b""

    def _serve(self, client):
        with client, socket.create_connection(("127.0.0.1", self.broker_port)) as broker:
            while request := self._frame(client):
                broker.sendall(request)
                answer = self._frame(broker)
                if request[4:6] == self.PRODUCE and not self.lost:
                    self.lost += 1
                    return
                client.sendall(answer)

    def close(self):
        self.listener.close()


def test_a_lost_answer_writes_no_record_twice():
    proxy = LossyProxy()
    with Broker(settings={"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"}) as broker:
        proxy.broker_port = broker.port
        try:
            tool = Tool(f"127.0.0.1:{proxy.port}")
            tool.run("topic", "create", "t", "-p", 2)
            lines = "".join(f"{i}:{i}\n" for i in range(1000))
            done = tool.run("produce", "t", "-K", ":", "-X", "batch.size=2KiB", stdin=lines)
            assert proxy.lost == 1 and "closed the connection; retrying" in done.stderr
            read = tool.text("consume", "t", "-o", ":end", "-f", "%v\\n").split()
            assert sorted(map(int, read)) == list(range(1000))
            proxy.lost = 0
            failed = tool.run("produce", "t", "-X", "enable.idempotence=false", stdin="x\n", code=3)
            assert "closed the connection" in failed.stderr
            tool.run("produce", "t", "--acks", 1, "-X", "enable.idempotence=true", stdin="x\n", code=2)
        finally:
            proxy.close()


def test_produce_continues_when_the_broker_comes_back():
    with Broker() as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t")
        writer = tool.start("produce", "t", "--timeout", "60s")

        def write(text, count):
            writer.stdin.write(text)
            writer.stdin.flush()
            wait_until(lambda: tool.json("topic", "describe", "t")["partitions"][0]["end_offset"] == count,
                       30, f"{count} records")
        write("before\n", 1)
        broker.restart(kill=True)
        write("after\n", 2)
        broker.restart()
        write("end\n", 3)
        out, err = writer.communicate(timeout=30)
        assert writer.returncode == 0, err
        assert tool.text("consume", "t", "-o", ":end", "-f", "%v\\n") == "before\nafter\nend\n"
        assert out.split()[-6:] == ["t", "0", "3", "0", "2", "OK"]


def test_a_bad_line_stops_produce_after_the_good_ones():
    with Broker() as broker:
        tool = Tool(broker.address)
        stopped = tool.run("produce", "t", "-K", ":", stdin="a:1\nb\nc:3\n", code=2)
        assert "standard input, line 2: " in stopped.stderr
        assert "hint  the lines before it were written" in stopped.stderr
        assert tool.text("consume", "t", "-o", ":end", "-f", "%v\\n") == "1\n"


def test_a_refusal_stops_and_reports_the_remaining_work():
    with Broker() as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t", "-c", "max.message.bytes=2000")
        lines = "a\n" * 3 + "b" * 5000 + "\n" + "c\n" * 100
        refused = tool.run("produce", "t", "-X", "batch.size=1000", stdin=lines, code=1)
        assert "MESSAGE_TOO_LARGE" in refused.stdout
        assert "stopped: 3 of the 5 records read were written, 2 were not; reading stopped after line 5 of " \
            "standard input" in refused.stderr
        assert tool.text("consume", "t", "-o", ":end", "-f", "%v\\n") == "a\na\na\n"


def test_refused_settings_are_one_row_that_names_the_invalid_one():
    with Broker() as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t")
        row, = tool.json("topic", "set", "t", "retention.ms=7d", "segment.bytes=x", "max.message.bytes=9",
                         code=1)["configs"]
        assert (row["key"], row["value"], row["error"]) == ("segment.bytes", "x", "INVALID_CONFIG")
        row, = tool.json("topic", "set", "none", "retention.ms=7d", "segment.ms=7d", code=1)["configs"]
        assert (row["key"], row["error"]) == (None, "UNKNOWN_TOPIC_OR_PARTITION")


def test_a_missing_partition_is_an_error():
    with Broker() as broker:
        tool = Tool(broker.address)
        tool.run("topic", "create", "t", "-p", 2)
        refused = tool.run("produce", "t", "-p", 2, stdin="x\n", code=1)
        assert "topic t has no partition 2" in refused.stderr
        assert tool.text("consume", "t", "-o", ":end") == ""
