#!/usr/bin/python3
"""Breaks one rule of the broker at a time and shows which test notices.

    tests/mutants/run.py [--share I/N | --rotate] [--seconds S] [--list] [NAME...]

Each mutant of the *_mutants.py is a copy of the sources with one change. The tests that the mutant names run
against it, in their order, until one fails: then the mutant is dead. A mutant that lives is a missing
test, unless its entry says why no test can notice it. NAME is a part of a mutant's name or file. A share
of 2/5 is every fifth mutant, from the second on. --rotate takes a small share by the time of the last
commit. After S seconds no other mutant begins.

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
BUILD_SECONDS, TEST_SECONDS = 900, 300
SHARE_MUTANTS = 8
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's Kafka clients
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
    """What ninja must build for a test."""
    folder, _, program = test.split()[0].partition("/")
    return ["tidemilld", "tidemill"] if folder == "integration" else [f"{folder}_{program}"]


def build(tests):
    targets = sorted({target for test in tests for target in target_of(test)})
    return command(["ninja", "-C", str(BUILD), *targets], BUILD_SECONDS)


def words_of(test):
    name, *arguments = test.split()
    folder, _, program = name.partition("/")
    if folder == "integration":
        return [PYTHON, "tests/harness/runner.py", f"tests/integration/{program}.py", *arguments]
    return [BUILD / "tests" / f"{folder}_{program}", *arguments]


def run_test(test, seconds=TEST_SECONDS):
    environment = dict(os.environ, TIDEMILL_BUILD=str(BUILD), TIDEMILL_QUICK="1")
    return command(words_of(test), seconds, env=environment)


def first_failure(tests, limits):
    for test in tests:
        code, output = run_test(test, limits[test])
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


def judge(mutant, limits):
    """Whether it passed, "dead by TEST" or "lives", and the output of a failed build."""
    started = time.monotonic()
    before = apply(mutant)
    try:
        code, output = build(mutant.tests)
        if code != 0:
            return False, "does not build", output
        test, _ = first_failure(mutant.tests, limits)
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
    part, parts = share_of_this_commit() if arguments.rotate else map(int, arguments.share.split("/"))
    if not 1 <= part <= parts:
        raise SystemExit(f"--share {arguments.share}: I/N with 1 <= I <= N is needed")
    found = [m for m in MUTANTS
             if not arguments.names or any(n in m.name or n in m.file for n in arguments.names)]
    share = found[part - 1::parts]
    if not arguments.list:
        print(f"share {part}/{parts}: {len(share)} of {len(MUTANTS)} mutants", flush=True)
    return share


def baseline(mutants):
    """The tests must pass without a change, otherwise every mutant would look dead. Returns how many seconds each
    test may take, or None: a mutant may make a test wait for ever."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    for step in (configure, lambda: build(tests)):
        code, output = step()
        if code != 0:
            print(output[-4000:])
            return None
    limits = {}
    for test in tests:
        started = time.monotonic()
        code, output = run_test(test)
        if code != 0:
            print(output[-4000:])
            print(f"{test} fails without a mutant")
            return None
        limits[test] = 30 + 10 * (time.monotonic() - started)
    return limits


def share_of_this_commit():
    """The commits take turns: about SHARE_MUTANTS mutants each."""
    when = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    parts = max(1, len(MUTANTS) // SHARE_MUTANTS)
    return int(when.stdout) % parts + 1, parts


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", default="1/1", metavar="I/N")
    parser.add_argument("--rotate", action="store_true")
    parser.add_argument("--seconds", type=int, default=1 << 30, metavar="S")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    return parser.parse_args()


def run_all(mutants, limits, end):
    """How many failed, and how many there was time for."""
    failed = 0
    for done, mutant in enumerate(mutants):
        if time.monotonic() > end:
            print(f"no time for the other {len(mutants) - done} mutants")
            return failed, done
        passed, verdict, output = judge(mutant, limits)
        failed += not passed
        print(f"{'ok  ' if passed else 'FAIL'} {mutant.name:44} {verdict}", flush=True)
        if output:
            print(re.sub(r"^", "     ", output[-2000:], flags=re.MULTILINE))
    return failed, len(mutants)


def main():
    arguments = parse_arguments()
    end = time.monotonic() + arguments.seconds
    mutants = chosen(arguments)
    if arguments.list:
        for mutant in mutants:
            print(f"{mutant.name:48} {mutant.file:32} {mutant.why}")
        return 0
    copy_sources()
    limits = baseline(mutants)
    if not mutants or limits is None:
        print("0 passed, 1 failed")
        return 1
    failed, done = run_all(mutants, limits, end)
    print(f"{done - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
