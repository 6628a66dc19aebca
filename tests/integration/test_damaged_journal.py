"""Damage to the newest journal file after a crash: the start is refused, and after a repair all data is back."""
import pathlib
import struct
import subprocess

from broker import Broker, wait_until
from wire import Wire, make_batch, records_of

NONE = 0
COUNT = 8
BLOCK = 4096
FILE_BYTES = 1 << 20


def fill(broker):
    with Wire(broker.port) as wire:
        wire.create("topic")
        for number in range(COUNT):
            assert wire.produce("topic", make_batch([b"%d" % number])).error_code == NONE


def check(broker):
    with Wire(broker.port) as wire:
        for number in range(COUNT):
            answer = wire.fetch("topic", number)
            assert answer.error_code == NONE and records_of(answer.records)[0].value == b"%d" % number


def units_with_entries(file):
    """Where each of them starts and ends (docs/on-disk-format.md)."""
    data = file.read_bytes()
    for at in range(0, len(data), BLOCK):
        length, entries, sequence = *struct.unpack_from(">4xI8xI", data, at), struct.unpack_from(">Q", data, at + 32)[0]
        if data[at:at + 4] == b"TMJ1" and sequence == int(file.stem.split("-")[1]) and entries > 0:
            yield at, at + (length + BLOCK - 1) // BLOCK * BLOCK


def witness_of(folder):
    """Sequence and position of the end that it names."""
    data = (folder / "durable").read_bytes() if (folder / "durable").exists() else bytes(2 * BLOCK)
    slots = [struct.unpack_from(">Q24xQQ", data, at + 8) for at in (0, BLOCK)]
    return max(slots)[1:]


def expect_refused(broker, file, position):
    ended = subprocess.run(broker.arguments(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                           check=False)
    assert ended.returncode == 1, ended
    last = ended.stderr.strip().splitlines()[-1]
    assert f"{file}: damaged at byte {position}," in last and "accept-damage" in last, ended.stderr
    assert " the journal is damaged and acknowledged data follows " in ended.stderr, ended.stderr


def lose(harm):
    """harm(file, end) damages the file, which has units up to `end`. It returns the first byte that is lost."""
    with Broker(settings={"tidemill.journal.file.bytes": FILE_BYTES}) as broker:
        fill(broker)
        folder = pathlib.Path(broker.directory / "data" / "shard-0")
        file = max((f for f in folder.glob("journal-*") if list(units_with_entries(f))), key=lambda f: f.name)
        end = list(units_with_entries(file))[-1][1]
        wait_until(lambda: witness_of(folder) == (int(file.stem.split("-")[1]), end), 20, "the witness")
        broker.kill()
        data = file.read_bytes()
        position = harm(file, end)
        expect_refused(broker, file, position)
        expect_refused(broker, file, position)
        file.write_bytes(data)
        broker.start()
        check(broker)


def cut_at(position):
    def harm(file, end):
        with open(file, "r+b") as f:
            f.truncate(end + position if position < 0 else position)
        return max(end + position if position < 0 else position, 0)
    return harm


def zero_from(position):
    def harm(file, end):
        size = file.stat().st_size
        at = end + position if position < 0 else position
        with open(file, "r+b") as f:
            f.seek(at)
            f.write(bytes(size - at))
        return at
    return harm


def delete(file, _end):
    file.unlink()
    return 0


def test_the_newest_file_is_truncated_to_nothing():
    lose(cut_at(0))


def test_the_newest_file_is_truncated_in_the_middle():
    lose(cut_at(-BLOCK))


def test_the_newest_file_is_zeroed():
    lose(zero_from(0))


def test_the_end_of_the_newest_file_is_zeroed():
    lose(zero_from(-BLOCK))


def test_the_newest_file_is_deleted():
    lose(delete)


def test_a_lost_witness_does_not_stop_a_start():
    with Broker() as broker:
        fill(broker)
        broker.kill()
        (broker.directory / "data" / "shard-0" / "durable").unlink(missing_ok=True)
        broker.start()
        check(broker)
