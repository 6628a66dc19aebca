#!/usr/bin/python3
"""Breaks one rule of the broker at a time and shows which test notices.

    tests/mutants/run.py [--share I/N] [--list] [NAME...]

Each mutant of mutants.py is a copy of the sources with one change. The tests that the mutant names run
against it, in their order, until one fails: then the mutant is dead. A mutant that lives is a missing
test, unless mutants.py says why no test can notice it. NAME is a part of a mutant's name or file. A share
of 2/5 is every fifth mutant, from the second on.

The last line is "N passed, M failed": a dead mutant has passed.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from mutants import MUTANTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = pathlib.Path(os.environ.get("TIDEMILL_MUTANTS", ROOT / "build" / "mutants"))
BUILD = COPY / "build"
BUILD_SECONDS, TEST_SECONDS = 600, 240
FOLDERS = ("base", "protocol", "storage", "processors", "broker", "client-tools", "tests")


def command(words, seconds, **more):
    """Its exit code and output; a command that takes too long has failed."""
    try:
        done = subprocess.run(words, cwd=COPY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds, text=True, errors="replace", **more)
    except subprocess.TimeoutExpired:
        return 1, f"took longer than {seconds} s"
    return done.returncode, done.stdout


def copy_sources():
    """Files that did not change keep their time, so that a second run builds only what changed."""
    COPY.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            stdout=subprocess.PIPE, text=True).stdout.split("\n")
    for name in filter(None, listed):
        source, target = ROOT / name, COPY / name
        if not source.is_file():
            continue
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    known = set(listed)
    for folder in FOLDERS:
        for path in (COPY / folder).rglob("*.[ch]"):
            if path.relative_to(COPY).as_posix() not in known:
                path.unlink()


def target_of(test):
    """What ninja must build for a test: tests/run.py's name of a program."""
    folder, program = test.split("/")
    return ["tidemilld", "tidemill"] if folder == "integration" else [f"{folder}_{program}"]


def build(tests):
    targets = sorted({target for test in tests for target in target_of(test)})
    return command(["ninja", "-C", str(BUILD), *targets], BUILD_SECONDS)


def run_test(test):
    environment = dict(os.environ, TIDEMILL_BUILD=str(BUILD))
    return command([sys.executable, "tests/run.py", "--quick", test], TEST_SECONDS, env=environment)


def first_failure(tests):
    for test in tests:
        code, output = run_test(test)
        if code != 0:
            return test, output
    return None, ""


def configure():
    # Without warnings: a mutant may leave a function unused.
    return command(["cmake", "-S", ".", "-B", str(BUILD), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                    "-DCMAKE_C_FLAGS=-w"], BUILD_SECONDS)


def apply(mutant):
    """The file's text before."""
    path = COPY / mutant.file
    text = path.read_text(encoding="utf-8")
    path.write_text(mutant.applied(text), encoding="utf-8")
    return text


def judge(mutant):
    """"dead by TEST", "equivalent", or what is wrong."""
    started = time.monotonic()
    before = apply(mutant)
    try:
        code, output = build(mutant.tests)
        if code != 0:
            return False, "does not build", output
        test, _ = first_failure(mutant.tests)
    finally:
        (COPY / mutant.file).write_text(before, encoding="utf-8")
    took = f"{time.monotonic() - started:.0f} s"
    if test:
        return not mutant.equivalent, f"dead by {test}, {took}" + (
            ", but it is said to be equivalent" if mutant.equivalent else ""), ""
    if mutant.equivalent:
        return True, f"lives, as it must: {mutant.equivalent}", ""
    return False, f"LIVES, {took}: {mutant.why}", ""


def chosen(arguments):
    part, parts = map(int, arguments.share.split("/"))
    if not 1 <= part <= parts:
        raise SystemExit(f"--share {arguments.share}: I/N with 1 <= I <= N is needed")
    found = [m for m in MUTANTS
             if not arguments.names or any(n in m.name or n in m.file for n in arguments.names)]
    return found[part - 1::parts]


def baseline(mutants):
    """The tests must pass without a change. Otherwise every mutant would look dead."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    for step in (configure, lambda: build(tests)):
        code, output = step()
        if code != 0:
            print(output[-4000:])
            return False
    test, output = first_failure(tests)
    if test:
        print(output[-4000:])
        print(f"{test} fails without a mutant")
    return test is None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", default="1/1", metavar="I/N")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    mutants = chosen(arguments)
    if arguments.list:
        for mutant in mutants:
            print(f"{mutant.name:44} {mutant.file:32} {mutant.why}")
        return 0
    copy_sources()
    if not mutants or not baseline(mutants):
        print("0 passed, 1 failed")
        return 1
    failed = 0
    for mutant in mutants:
        passed, verdict, output = judge(mutant)
        failed += not passed
        print(f"{'ok  ' if passed else 'FAIL'} {mutant.name:44} {verdict}", flush=True)
        if output:
            print(re.sub(r"^", "     ", output[-2000:], flags=re.MULTILINE))
    print(f"{len(mutants) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
