"""The examples of README.md and docs/quick-start.md, unchanged, each with a new broker."""
import json
import os
import pathlib
import shutil
import tempfile

from broker import Broker, build_directory
from documents import examples
from scenario import INTEGRATION

NODE = INTEGRATION / "node"
COMMANDS = {"sh": ["bash", "-eu", "-o", "pipefail"], "python": ["/usr/bin/python3"],
            "js": [NODE / "node_modules" / ".bin" / "node"]}


def run(example):
    """Runs an example in a folder and with a broker of its own; returns its output."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tidemill-document-"))
    (folder / "node_modules").symlink_to(NODE / "node_modules")
    try:
        with Broker() as broker:
            environment = dict(os.environ, TIDEMILL_BROKERS=broker.address,
                               PATH=f"{build_directory()}:{os.environ['PATH']}")
            return example.run(COMMANDS[example.language], broker, folder, environment)
    finally:
        shutil.rmtree(folder)


def test_the_quick_start_of_each_client_reads_what_it_wrote():
    found = examples("docs/quick-start.md", "test")
    assert {"kcat", "confluent-kafka-python", "kafka-python", "kafkajs",
            "@platformatic/kafka"} < {example.section for example in found}
    for example in found:
        shown = run(example)
        assert shown.splitlines()[-1:] == ["ada: hello"], f"{example.section} printed:\n{shown}"


def test_kcat_in_the_readme_reads_what_it_wrote():
    example = examples("README.md", "test")[0]
    assert run(example).splitlines()[-1:] == ['{"user":"ada","amount":12}']


def test_the_five_lines_of_the_readme_drop_duplicates():
    example = examples("README.md", "test")[1]
    assert len(example.text.splitlines()) == 5
    assert run(example).splitlines()[-3:] == ['{"id":1}', '{"id":2}', '{"id":3}']


def test_the_pipeline_of_the_readme_counts_once_and_finds_the_dead_letter():
    lines = run(examples("README.md", "test")[2]).splitlines()
    results = [json.loads(line) for line in lines if line.startswith("{")]
    assert [(r["key"], r["orders"], r["revenue"]) for r in results] == [("ada", 1, 12)], lines
    assert sum("TYPE_MISMATCH" in line for line in lines) == 1, lines
