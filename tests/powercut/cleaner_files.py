"""The files of cleanings in a data directory, as docs/on-disk-format.md describes them.

While a partition has files NAME.swap, cleaning/<topic id>-<partition> exists. It says whether they are wanted.
"""
import collections
import struct

EMPTY_LIST_BYTES = 20
PARTS = (".log", ".index", ".timeindex")

# new: base offsets of the wanted segments; written: whether each new segment has all its files; left: whether names of
# the old or the new segments have not changed yet
Swap = collections.namedtuple("Swap", "new written left")


def is_cleaning(data, topic_id, partition):
    return (data / "cleaning" / f"{topic_id}-{partition}").exists()


def partition_directory(data, list_name):
    topic, _, partition = list_name.rpartition("-")
    return data / "topics" / topic / partition


def bases_of(folder, ending):
    return {int(path.name[:-len(ending)]) for path in folder.glob("*" + ending)}


def read_swap(data, path):
    content = path.read_bytes()
    count, = struct.unpack_from(">i", content, 4)
    new = struct.unpack_from(f">{count}q", content, 8)
    end, = struct.unpack_from(">q", content, 8 + 8 * count)
    folder = partition_directory(data, path.name)
    swaps = [bases_of(folder, part + ".swap") for part in PARTS]
    written = bool(swaps[0]) and swaps[0] == swaps[1] == swaps[2]
    old = [base for base in bases_of(folder, ".log") if new and new[0] <= base < end and base not in new]
    return Swap(new, written, bool(old or any(swaps)))


def swaps(data):
    """The cleanings that are under way. A copy of a list that is not complete has another name."""
    return [read_swap(data, path) for path in (data / "cleaning").glob("*")
            if path.name.rpartition("-")[2].isdigit() and path.stat().st_size >= EMPTY_LIST_BYTES]


def identity(path):
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns


def files(data):
    """Every file of a cleaning, with what tells it from a later one of this name."""
    return {path: identity(path) for pattern in ("cleaning/*", "topics/*/*/*.swap") for path in data.glob(pattern)}


def still_there(known):
    """The broker may run."""
    left = []
    for path, before in known.items():
        try:
            left += [str(path)] if identity(path) == before else []
        except FileNotFoundError:
            pass
    return left


def rolled_segments(data):
    return {(path.parent.parent.name, path.parent.name, path.name) for path in (data / "topics").glob("*/*/*.log")
            if int(path.stem) > 0}


def active_base(data, topic_id, partition):
    return max(bases_of(data / "topics" / str(topic_id) / str(partition), ".log"), default=0)
