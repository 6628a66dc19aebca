"""Damage to the key-value store while the broker is stopped: the start is refused, nothing is changed, and after a
repair all data is back."""
import hashlib
import subprocess

from broker import Broker
from wire import Wire, make_batch, records_of

NONE = 0
TOPICS = ("first", "second")
COUNT = 20
SETTINGS = {"tidemill.journal.file.bytes": 1 << 20, "tidemill.checkpoint.bytes": 1 << 20}


def value(number):
    return b"%04d" % number * 25_000


def fill(broker):
    with Wire(broker.port) as wire:
        for topic in TOPICS:
            wire.create(topic)
            for number in range(COUNT):
                assert wire.produce(topic, make_batch([value(number)])).error_code == NONE


def check(broker):
    with Wire(broker.port) as wire:
        for topic in TOPICS:
            for number in range(COUNT):
                answer = wire.fetch(topic, number)
                assert answer.error_code == NONE and records_of(answer.records)[0].value == value(number)


def content(directory):
    return {path: hashlib.sha256(path.read_bytes()).digest() for path in directory.rglob("*") if path.is_file()}


def expect_refused(broker, file, *words):
    before = content(broker.directory / "data")
    ended = subprocess.run(broker.arguments(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                           check=False)
    last = ended.stderr.strip().splitlines()[-1]
    assert ended.returncode == 1, ended
    for word in (str(file), "restore the whole data directory from a copy", *words):
        assert word in last, (word, ended.stderr)
    assert "accept-damage" not in ended.stderr and "shard-" not in last, ended.stderr
    assert content(broker.directory / "data") == before


def lose(harm, kill):
    """harm(kv) damages the store. It returns the file, words of the refusal, and a function for the repair."""
    with Broker(shards=2, settings=SETTINGS) as broker:
        fill(broker)
        if kill:
            broker.kill()
        else:
            broker.stop()
        file, words, mend = harm(broker.directory / "data" / "kv")
        expect_refused(broker, file, *words)
        (broker.directory / "data" / "accept-damage").touch()
        expect_refused(broker, file, *words)
        (broker.directory / "data" / "accept-damage").unlink()
        mend()
        broker.start()
        check(broker)


def flip_row(kv):
    """Damages the first write of the log; others follow it."""
    file = max(kv.glob("*.log"))
    data = file.read_bytes()
    at = 30
    file.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1:])
    return file, ("damaged at byte 0", "Nothing was changed"), lambda: file.write_bytes(data)


def remove(pattern):
    def harm(kv):
        file = max(kv.glob(pattern))
        data = file.read_bytes()
        file.unlink()
        return file, ("missing", "Nothing was changed"), lambda: file.write_bytes(data)
    return harm


def test_a_flipped_bit_in_the_rows_after_a_kill():
    lose(flip_row, kill=True)


def test_a_flipped_bit_in_the_rows_after_a_stop():
    lose(flip_row, kill=False)


def test_the_file_current_is_missing():
    lose(remove("CURRENT"), kill=False)


def test_the_log_of_the_rows_is_missing():
    lose(remove("*.log"), kill=True)
