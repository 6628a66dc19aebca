#!/usr/bin/python3
"""docs/recovery.md has a heading for each message that a start can give about the data directory, and no other heading.
Each heading has a test that exists, and each cited test holds the text of the message: in its own strings, or in those of what
it uses of its file and of the support files beside it."""
import ast
import functools
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
JOINED = re.compile(LITERAL.pattern + r"(?:\s*(?:PRI\w+\s*)?" + LITERAL.pattern + ")+")
COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|/\*.*?\*/', re.DOTALL)
PLACEHOLDER = re.compile(r"%[-+ 0#]*\d*(?:\.\d+)?(?:ll|l|z|h)?[sdifuxoc]")
SHORTEST_PIECE = 5
# What a running broker says.
RUNNING = {"old segments could not be deleted",
           "the files of a deleted partition could not be removed: the next start removes them",
           "writing the journal or the segments failed: the shard stores nothing more", "the journal cannot be written: %s",
           "%d-%02d-%02dT%02d:%02d:%02d.%03dZ",
           "the data directory %s was moved, replaced or removed while the broker ran. Everything that was acknowledged is "
           "in the journals of that directory: move it back, or set log.dirs to where it is now, and start the broker"}
# What stands for a value in a heading.
VALUE = re.compile(r"(?<!rows-)\b(?:DIR/kv|DIR|FILE|REASON|NAME|PATH|USER|ACT|OWNER|MODE|LINK|TARGET|WHAT|LIST|ID|PARTITION|N|M|K)\b")
PLAIN = 10  # a piece of so many characters tells a message from others
SHOWN = re.compile(r"^Shown by `([^`]+)`: ((?:`\w+`(?:, )?)+)$", re.MULTILINE)


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


def parts_of_python(text):
    """What a Python file defines -> its strings and the names it uses."""
    parts = {}
    for node in ast.parse(text).body:
        names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        strings = [leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)]
        strings += ["\0".join(part.value if isinstance(part, ast.Constant) else "" for part in leaf.values)
                    for leaf in ast.walk(node) if isinstance(leaf, ast.JoinedStr)]
        used = {leaf.id for leaf in ast.walk(node) if isinstance(leaf, ast.Name)}
        used |= {leaf.attr for leaf in ast.walk(node) if isinstance(leaf, ast.Attribute)}
        for name in names or [getattr(node, "name", "")]:
            parts[name] = strings, used
    return parts


def parts_of_c(text):
    """What a C file defines -> its strings and the names it uses. A definition ends where the next line begins at the margin."""
    parts = {}
    text = COMMENT.sub(lambda found: found[1] or "", text)
    text = JOINED.sub(lambda whole: '"' + "".join(LITERAL.findall(whole[0])) + '"', text)
    for part in re.findall(r"^(?:[#\w].*(?:\n(?:[ \t{].*)?)*)", text, re.MULTILINE):
        name = re.match(r"TEST\((\w+)|#define (\w+)|[^={(;]*?(\w+)\s*(?:\(|\[|=)", part)
        if name:
            bare = LITERAL.sub("", part)
            parts[next(filter(None, name.groups()))] = LITERAL.findall(part), set(re.findall(r"\w+", bare))
    return parts


@functools.cache
def parts_of(path):
    """The definitions of a test's file and of the support files beside it. Those of the file come last, so they win."""
    file = ROOT / path
    if not file.exists():
        return {}
    if file.suffix == ".py":
        return parts_of_python(file.read_text(encoding="utf-8"))
    parts = {}
    for one in [*sorted(file.parent.glob("support_*.[ch]")), file]:
        parts.update(parts_of_c(one.read_text(encoding="utf-8")))
    return parts


def strings_of(path, test):
    """The strings of a test and of what it uses."""
    parts, seen, ahead = parts_of(path), set(), [test]
    while ahead:
        name = ahead.pop()
        if name in parts and name not in seen:
            seen.add(name)
            ahead += parts[name][1]
    return [string for name in seen for string in parts[name][0]]


def fixed(heading):
    return [piece for piece in (part.strip() for part in VALUE.split(heading)) if len(piece.strip(" :,./()")) > 1]


def own(heading, headings):
    """The pieces that tell a heading from all others. None: the heading is the beginning or the end of another one."""
    found = [piece for piece in fixed(heading) if not any(piece in other for other in headings if other != heading)]
    return [piece for piece in found if len(piece) >= PLAIN] or found


def is_shown(heading, headings, strings):
    pieces_of_it = own(heading, headings)
    if pieces_of_it:
        return any(piece in string for piece in pieces_of_it for string in strings)
    others = [piece for other in headings if other != heading for piece in own(other, headings)]
    return any(all(piece in string for piece in fixed(heading)) and not any(piece in string for piece in others)
               for string in strings)


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
        if not shown:
            yield f"docs/recovery.md: no test shows \"{heading}\""
        for path, tests in shown:
            for test in re.findall(r"\w+", tests):
                if test not in parts_of(path):
                    yield f"docs/recovery.md: {path} has no test {test}"
                elif not is_shown(heading, sections, strings_of(path, test)):
                    yield f"docs/recovery.md: {test} of {path} does not hold the text of \"{heading}\""


def main():
    found = sorted(faults(DOCUMENT.read_text(encoding="utf-8")))
    print("\n".join(found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
