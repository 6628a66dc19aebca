#!/usr/bin/python3
"""Functions that only one function of the broker may call, so that a question has one answer and an event one
source."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ONE_CALLER = {
    "log_durable_offset": "partition_visible_end",
    "waits_moved": "partitions_visible_moved",
    "runner_partition_moved": "partitions_visible_moved",
}
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def functions_of(text):
    """The function of each line of a formatted source: its name is in the last line at the margin."""
    name = None
    for number, line in enumerate(COMMENT.sub(blank, text).splitlines(), 1):
        if heading := re.match(r"[a-z].*?(\w+)\(", line):
            name = heading.group(1)
        yield number, name, line


def faults_of(path):
    for number, function, line in functions_of(path.read_text(encoding="utf-8")):
        for callee, caller in ONE_CALLER.items():
            if re.search(rf"\b{callee}\b", line) and function not in (callee, caller):
                yield f"{path.relative_to(ROOT)}:{number}: {callee} is for {caller} alone"


def main():
    sources = sorted((ROOT / "broker").rglob("*.[ch]"))
    faults = [fault for path in sources for fault in faults_of(path)]
    print("\n".join(faults) or f"{len(sources)} files")
    return bool(faults) or len(sources) < 50


if __name__ == "__main__":
    sys.exit(main())
