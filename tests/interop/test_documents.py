"""The examples of docs/quick-start.md for the clients that ./interop installs."""
import os
import pathlib
import shutil
import tempfile

from broker import ROOT, Broker
from documents import examples

OUT = pathlib.Path(os.environ.get("TIDEMILL_INTEROP", ROOT / "build" / "interop"))
GO = ROOT / "tests" / "interop" / "go"
TOOLS = {"kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
         "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer"}


def run_example(word, command, prepare):
    """The example must print `ada: hello` and nothing else. prepare(folder) adds the files that it needs."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tidemill-document-"))
    try:
        prepare(folder)
        environment = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}", GOFLAGS="-mod=mod")
        with Broker() as broker:
            (example,) = examples("docs/quick-start.md", word)
            shown = example.run(command, broker, folder, environment)
        assert shown.strip().strip(">").endswith("ada: hello"), f"{word} printed:\n{shown}"
    finally:
        shutil.rmtree(folder)


def console_tools(folder):
    """Kafka's scripts, as in a download."""
    for name, main in TOOLS.items():
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec java -cp "{OUT}/jars/*" {main} "$@"\n', encoding="ascii")
        script.chmod(0o755)


def go_module(folder):
    for name in ("go.mod", "go.sum"):
        shutil.copy(GO / name, folder / name)


def test_the_console_tools_read_what_they_wrote():
    run_example("java", ["bash", "-eu"], console_tools)


def test_franz_go_reads_what_it_wrote():
    run_example("franz", ["go", "run"], go_module)


def test_sarama_reads_what_it_wrote():
    run_example("sarama", ["go", "run"], go_module)


def test_aiokafka_reads_what_it_wrote():
    run_example("aiokafka", [OUT / "venv" / "bin" / "python"], lambda folder: None)
