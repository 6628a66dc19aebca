#!/usr/bin/python3
"""The documents name things that exist: links lead to files, bad-input.md has exactly its tests, the README keeps its
two commands, and CONTRIBUTING fits a screen."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
TEST = re.compile(r"`(test_\w+)`")
TEST_FUNCTION = re.compile(r"^def (test_\w+)\(", re.MULTILINE)
FIRST_SCREEN = 40
CONTRIBUTING_LINES = 80


def broken_links():
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in LINK.findall(path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                yield f"{path.relative_to(ROOT)}: no file {target}"


def catalogue():
    """docs/bad-input.md names exactly the tests of tests/integration/test_bad_*.py."""
    named = set(TEST.findall((ROOT / "docs" / "bad-input.md").read_text(encoding="utf-8")))
    tested = set()
    for path in ROOT.glob("tests/integration/test_bad_*.py"):
        tested.update(TEST_FUNCTION.findall(path.read_text(encoding="utf-8")))
    for name in sorted(tested - named):
        yield f"docs/bad-input.md: does not name {name}"
    for name in sorted(named - tested):
        yield f"docs/bad-input.md: no test {name}"


def screens():
    screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:FIRST_SCREEN])
    for command in ("./start", "./test"):
        if command not in screen:
            yield f"README.md: its first screen does not show {command}"
    lines = len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines())
    if lines > CONTRIBUTING_LINES:
        yield f"CONTRIBUTING.md: {lines} lines, at most {CONTRIBUTING_LINES}"


def main():
    faults = [*broken_links(), *catalogue(), *screens()]
    print("\n".join(faults))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
