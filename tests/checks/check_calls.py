#!/usr/bin/python3
"""No cycle of calls goes through more than one module. check_modules.py says what a module is, and
sees includes; a table or a declaration elsewhere hides a call from it. Reads the symbols of the
built objects with nm."""
import os
import pathlib
import subprocess
import sys

from check_modules import FOLDERS, ROOT, cycles_of, modules_of

BUILD = pathlib.Path(os.environ.get("TIDEMILL_BUILD", ROOT / "build" / "asan"))
# Their tables name what they list: types of processors, handlers, commands.
TABLES = {"processors/topology/processor.c", "broker/request/dispatch.c", "client-tools/commands/commands.c"}


def symbols_of(path):
    """(defined, needed) of one object."""
    defined, needed = set(), set()
    output = subprocess.run(["nm", path], check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    for words in map(str.split, output.splitlines()):
        if words[-2] in "TDRB":
            defined.add(words[-1])
        elif words[-2] == "U":
            needed.add(words[-1])
    return defined, needed


def calls():
    """Which source files need symbols of which."""
    defined_in, needed_by = {}, {}
    for folder in FOLDERS:
        for path in (BUILD / folder / "CMakeFiles").rglob("*.c.o"):
            parts = path.relative_to(BUILD / folder / "CMakeFiles").parts
            source = "/".join([folder, *parts[1:]]).removesuffix(".o")
            if (ROOT / source).exists():
                defined, needed_by[source] = symbols_of(path)
                defined_in.update(dict.fromkeys(defined, source))
    return {source: set() if source in TABLES else
            {defined_in[symbol] for symbol in needed if symbol in defined_in} - {source}
            for source, needed in needed_by.items()}


def main():
    graph, modules = calls(), modules_of()
    faults = ["cycle: " + " ".join(cycle) for cycle in cycles_of(graph)
              if len({modules[pathlib.Path(source)] for source in cycle}) > 1]
    print("\n".join(faults) or f"{len(graph)} files")
    return bool(faults) or len(graph) < 50


if __name__ == "__main__":
    sys.exit(main())
