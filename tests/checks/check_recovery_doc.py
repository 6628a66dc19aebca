#!/usr/bin/python3
"""docs/recovery.md has a heading for each message that a start can give about the data directory, and no other heading.
Each heading has a test that exists."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "recovery.md"
SOURCES = ("storage/recovery.c", "storage/redo*.c", "storage/data_*.c", "storage/row_store_open.c",
           "storage/row_store_repair.c", "storage/kv_files.c", "storage/kv_leveldb.c", "storage/journal.c",
           "storage/journal_reader.c", "storage/store.c", "storage/store_logs.c", "storage/swap_list.c", "storage/log_load.c", "storage/log_repair.c",
           "broker/data_directory.c", "broker/start.c", "broker/timekeeper.c")
CALL = re.compile(r"(message_set|trace_log)\(((?:[^;\"]|\"(?:[^\"\\]|\\.)*\")*)\);")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
PLACEHOLDER = re.compile(r"%[-+ 0#]*\d*(?:\.\d+)?(?:ll|l|z|h)?[sdifuxoc]")
SHORTEST_PIECE = 5
# What a running broker says.
RUNNING = {"old segments could not be deleted",
           "the files of a deleted partition could not be removed: the next start removes them",
           "writing the journal or the segments failed: the shard stores nothing more", "the journal cannot be written: %s",
           "%d-%02d-%02dT%02d:%02d:%02d.%03dZ",
           "the data directory %s was moved, replaced or removed while the broker ran. Everything that was acknowledged is "
           "in the journals of that directory: move it back, or set log.dirs to where it is now, and start the broker"}
# Only a disk that fails between two reads of the same row gives them.
UNSHOWN = {"cannot read the journal position of shard %d in the rows: %s: restore the whole data directory from a copy",
           "%s: the checksum of a row of kind %c is wrong"}
SHOWN = re.compile(r"^Shown by `([^`]+)`: ((?:`\w+`(?:, )?)+)", re.MULTILINE)


def messages():
    """Format of a message -> the file that gives it."""
    found = {}
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            text = re.sub(r'%\d*"\s*PRI\w+\s*"', "%d", path.read_text(encoding="utf-8"))
            text = re.sub(r'%"\s*PRI\w+', '%d"', text)
            text = re.sub(r'"\s*\n\s*"', "", text)
            for _, call in CALL.findall(text):
                call = re.sub(r"F_[A-Z0-9]+\(.*", "", call, flags=re.DOTALL)
                for literal in LITERAL.findall(call):
                    if len("".join(pieces(literal))) >= SHORTEST_PIECE and literal not in RUNNING:
                        found[literal] = path.relative_to(ROOT)
    return found


def pieces(message):
    """The fixed parts of a message."""
    return [piece for piece in (part.strip() for part in PLACEHOLDER.split(message)) if len(piece.strip(" :,./()")) > 1]


def fits(heading, message):
    at = 0
    for piece in pieces(message):
        at = heading.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def names_of(path):
    """The tests of a file."""
    file = ROOT / path
    return set(re.findall(r"^(?:TEST\(|def )(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)) if file.exists() else set()


def faults(text):
    sections = {part.split("\n", 1)[0]: part for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]}
    known = messages()
    for message, path in known.items():
        if not any(fits(heading, message) for heading in sections):
            yield f"docs/recovery.md: no heading for \"{message}\" of {path}"
    for heading, section in sections.items():
        if not any(fits(heading, message) for message in known):
            yield f"docs/recovery.md: no start says \"{heading}\""
        shown = SHOWN.findall(section)
        if not shown and not any(fits(heading, message) for message in UNSHOWN):
            yield f"docs/recovery.md: no test shows \"{heading}\""
        for path, tests in shown:
            for test in re.findall(r"\w+", tests):
                if test not in names_of(path):
                    yield f"docs/recovery.md: {path} has no test {test}"


def main():
    found = sorted(faults(DOCUMENT.read_text(encoding="utf-8")))
    print("\n".join(found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
