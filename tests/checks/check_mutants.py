#!/usr/bin/python3
"""Every mutant fits today's sources, has a name of its own, and names tests that exist."""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "mutants"))
from mutants import MUTANTS  # noqa: E402

TEST = re.compile(r"^TEST\((\w+)\)|^def (test_\w+)", re.MULTILINE)


def source_of(program):
    folder, _, name = program.partition("/")
    return ROOT / "tests" / folder / (name + (".py" if folder == "integration" else ".c"))


def test_exists(test):
    program, *arguments = test.split()
    source = source_of(program)
    if not source.is_file():
        return False
    tests = [a or b for a, b in TEST.findall(source.read_text(encoding="utf-8"))]
    names = arguments if not any(word.startswith("--") for word in arguments) else []
    return all(any(name in known for known in tests) for name in names)


def faults_of(mutant):
    path = ROOT / mutant.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.count(mutant.old) != 1:
        yield f"{mutant.name}: its old text stands {text.count(mutant.old)} times in {mutant.file}"
    if not mutant.tests or mutant.old == mutant.new:
        yield f"{mutant.name}: it has no test, or changes nothing"
    for test in mutant.tests:
        if not test_exists(test):
            yield f"{mutant.name}: there is no test {test}"


def faults():
    for name, count in collections.Counter(m.name for m in MUTANTS).items():
        if count > 1:
            yield f"{name}: {count} mutants have this name"
    for mutant in MUTANTS:
        yield from faults_of(mutant)


found = list(faults())
print("\n".join(found) or f"{len(MUTANTS)} mutants")
sys.exit(bool(found))
