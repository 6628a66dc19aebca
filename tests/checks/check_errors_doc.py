#!/usr/bin/python3
"""docs/errors.md has a heading for each event that a source logs at ERROR or WARN, and no other heading. It has the
words of each message that can end a start."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "errors.md"
FOLDERS = ("base", "protocol", "storage", "processors", "broker")
EVENT = re.compile(r"trace_log\([^;]*?TRACE_(?:ERROR|WARN)\b([^;]*?)(?:F_[A-Z0-9]+\(|\);)")
LATER = re.compile(r"host_try_later\([^,;]+,([^;]*?),[^,;]*\);")
START_UP = ("storage/recovery.c", "storage/redo*.c", "storage/data_meta.c", "storage/journal.c",
            "storage/kv*.c", "storage/store.c",
            "broker/start.c", "broker/net/acceptor.c")
MESSAGE = re.compile(r"message_set\(([^;]*)\);")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
PLACEHOLDER = re.compile(r'%[-+ 0#]*(?:\.?\*|\d*)(?:\.\d+|\.\*)?[a-z]*[sdifuxc]|%\d*|"\s*PRI\w+\s*"')
SHORTEST_PIECE = 10
# An event with two levels: here it is INFO.
GOOD_NEWS = {"the disk has enough free space again"}


def text_of(path):
    """C source with adjacent strings joined."""
    return re.sub(r'"\s*\n\s*"', "", path.read_text(encoding="utf-8"))


def events():
    """Event -> the file that logs it."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.c")):
            text = text_of(path)
            for part in EVENT.findall(text) + LATER.findall(text):
                for event in LITERAL.findall(part):
                    found[event] = path.relative_to(ROOT)
    return {event: path for event, path in found.items() if event not in GOOD_NEWS}


def start_up_pieces():
    """The fixed parts of messages that end a start, each with its file."""
    for pattern in START_UP:
        for path in sorted(ROOT.glob(pattern)):
            for call in MESSAGE.findall(text_of(path)):
                call = re.sub(r'"\s*PRI\w+\s*"', "d", call)
                for literal in LITERAL.findall(call):
                    for piece in PLACEHOLDER.split(literal):
                        piece = piece.strip(" :,.;()")
                        if len(piece) >= SHORTEST_PIECE:
                            yield piece, path.relative_to(ROOT)


def faults(text):
    headings = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    logged = events()
    for event, path in logged.items():
        if event not in headings:
            yield f"docs/errors.md: no heading for \"{event}\" of {path}"
    for heading in sorted(headings - set(logged)):
        yield f"docs/errors.md: no source logs \"{heading}\""
    words = " ".join(text.split())
    for piece, path in start_up_pieces():
        if piece not in words:
            yield f"docs/errors.md: does not mention \"{piece}\" of {path}"


def main():
    found = sorted(faults(DOCUMENT.read_text(encoding="utf-8")))
    print("\n".join(found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
