#!/usr/bin/python3
"""Modules: no cycles, private headers stay private, a function is named after its module.

A module is a header with the .c files beside it whose names begin with the header's name:
connection.h has connection.c, connection_input.c and connection_output.c. A file belongs to the
longest such name. <module>_internal.h is private to the module and to those whose names begin with
its name. A .c file without a header of its own is a module by itself."""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["base", "protocol", "storage", "processors", "broker", "client-tools"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
PRIVATE = "_internal"
# Words that a module's functions may begin with, besides its own name, a part of it, and the names
# of the structures and enumerations in its headers. "*": any.
WORDS = {
    "base/bytes": "load store",
    "base/compiler": "assert xmalloc xcalloc xrealloc xstrdup xstrndup",
    "base/crypto": "sha256 hmac",
    "base/suggest": "edit",
    "base/trace": "format",
    "base/units": "format parse",
    "broker/config/configs": "broker cluster topic",
    "broker/groups/coordinator_rows": "group offset",
    "broker/groups/subscription": "group",
    "broker/handlers/handlers": "*",  # <api>_handle, in a file named after the API
    "broker/request/request": "reply",
    "broker/runner/runner": "key outbox",
    "broker/start": "shard shards",
    "broker/topics/controller": "topic",
    "broker/turn": "shard",
    "client-tools/arguments": "choice pair",
    "client-tools/cluster/link": "address",
    "client-tools/failure": "fail",
    "client-tools/files": "fail write",
    "client-tools/output/json_text": "append decode",
    "client-tools/settings": "client",
    "processors/expression/expression": "access evaluate list operator prepare text value",
    "processors/time/civil_time": "floor rfc3339",
    "processors/time/event_time": "watermark",
    "processors/values/number": "decimal power",
    "protocol/api": "read write",
    "protocol/compression": "codec",
    "protocol/reader": "read",
    "protocol/writer": "write",
    "storage/log_replace": "new",
    "storage/store_rows": "deleted journal log partition topic",
}


def module_of(path, public):
    """The module of a file, as its path without the ending."""
    stem = path.stem.removesuffix(PRIVATE)
    while (path.parent, stem) not in public and "_" in stem:
        stem = stem.rpartition("_")[0]
    name = stem if (path.parent, stem) in public else path.stem
    return (path.parent / name).as_posix()


def cycles_of(graph):
    """Strongly connected components of more than one node (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def include_faults(files, modules):
    graph = {module: set() for module in modules.values()}
    for path in files:
        for header in INCLUDE.findall((ROOT / path).read_text(encoding="utf-8")):
            target = modules.get(pathlib.Path(header))
            if target is None or target == modules[path]:
                continue
            graph[modules[path]].add(target)
            if header.endswith(PRIVATE + ".h") and not modules[path].startswith(target + "_"):
                yield f"{path}: includes {header}, which is private to {target}"
    for cycle in cycles_of(graph):
        yield "cycle: " + " ".join(cycle)
        for module in cycle:
            yield f"    {module} includes {' '.join(sorted(graph[module] & set(cycle)))}"


def tags_of(files, kinds):
    """(kind, file, name) for each tag of these kinds."""
    command = ["ctags", "-x", "--_xformat=%K\t%F\t%N", f"--kinds-C={kinds}", "-L", "-"]
    output = subprocess.run(command, cwd=ROOT, input="\n".join(map(str, files)), check=True,
                            stdout=subprocess.PIPE, encoding="utf-8").stdout
    return [line.split("\t") for line in output.splitlines()]


def words_of(module):
    """A module's name and its ends: record_batch, batch; and its first word."""
    parts = pathlib.Path(module).name.replace("-", "_").split("_")
    words = {"_".join(parts[at:]) for at in range(len(parts))} | {parts[0]}
    return words | set(WORDS.get(module, "").split())


def name_faults(files, modules):
    headers = [path for path in files if path.suffix == ".h"]
    words = collections.defaultdict(set)
    functions = []
    for kind, name, tag in tags_of(headers, "psgf"):
        module = modules[pathlib.Path(name)]
        if kind in ("struct", "enum"):
            words[module].add(tag)
        elif tag.islower() and tag != "offsetof":
            functions.append((name, module, tag))
    for name, module, function in functions:
        known = words_of(module) | words[module]
        known |= {word + "s" for word in known} | {word[:-1] for word in known if word.endswith("s")}
        if "*" not in known and not any(function == word or function.startswith(word + "_") for word in known):
            yield f"{name}: {function}() is not named after its module"


def modules_of():
    """The module of each source file below ROOT."""
    files = [path.relative_to(ROOT) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.[ch]"))]
    public = {(path.parent, path.stem.removesuffix(PRIVATE)) for path in files if path.suffix == ".h"}
    return {path: module_of(path, public) for path in files}


def main():
    modules = modules_of()
    files = list(modules)
    faults = [*include_faults(files, modules), *name_faults(files, modules)]
    print("\n".join(faults) or f"{len(set(modules.values()))} modules of {len(files)} files")
    return bool(faults) or len(files) < 50


if __name__ == "__main__":
    sys.exit(main())
