#!/usr/bin/python3
"""Every mutant fits today's sources, and has a name of its own."""
import collections
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "mutants"))
from mutants import MUTANTS  # noqa: E402


def faults():
    for name, count in collections.Counter(m.name for m in MUTANTS).items():
        if count > 1:
            yield f"{name}: {count} mutants have this name"
    for mutant in MUTANTS:
        path = ROOT / mutant.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if text.count(mutant.old) != 1:
            yield f"{mutant.name}: its old text stands {text.count(mutant.old)} times in {mutant.file}"
        if not mutant.tests or mutant.old == mutant.new:
            yield f"{mutant.name}: it has no test, or changes nothing"


found = list(faults())
print("\n".join(found) or f"{len(MUTANTS)} mutants")
sys.exit(bool(found))
