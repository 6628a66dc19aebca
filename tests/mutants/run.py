#!/usr/bin/python3
"""Breaks one rule of the broker at a time and shows which test notices.

    tests/mutants/run.py [--share I/N | --rotate] [--seconds S] [--list] [NAME...]

Each mutant of the *_mutants.py is a copy of the sources with one change. The tests that the mutant names run
against it, in their order, until one fails: then the mutant is dead. At the end these tests must pass without
a mutant. A mutant that lives is a missing test, unless its entry says why no test can notice it. NAME is a part
of a mutant's name or file. A share of 2/5 is every fifth mutant, from the second on. --rotate takes a small share
by the time of the last commit.

A test says nothing if it takes very long: it may hang, or the machine may be busy. A test that cannot run here, and
says so, says nothing either. If no other test notices the mutant, it has no verdict. That is a failure, except with
--seconds. After S seconds the run ends, and all other mutants have no verdict.

The last line is "N passed, M failed": a dead mutant has passed.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from mutants import MUTANTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = pathlib.Path(os.environ.get("TIDEMILL_MUTANTS", ROOT / "build" / "mutants"))
BUILD = COPY / "build"
BUILD_SECONDS, TEST_SECONDS = 1800, 600
SHARE_MUTANTS = 8
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's Kafka clients
FOLDERS = ("base", "protocol", "storage", "processors", "broker", "client-tools", "tests")
NOT_RUN = re.compile(r"^not run here: .*$", re.MULTILINE)
FAILED_TEST = re.compile(r"^FAILED (\w+)", re.MULTILINE)
PASSED, FAILED, NO_VERDICT = "ok", "FAIL", "none"


class NoVerdict(Exception):
    """Nobody can say whether a test passes; its text says why."""


class Commands:
    """Runs commands until the time of the whole run is over, or a signal ends it."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *_):
        self.end = 0
        raise NoVerdict("the run was ended")

    def left(self):
        return self.end - time.monotonic()

    def run(self, words, seconds, **more):
        """Its exit code and output."""
        process = subprocess.Popen(words, cwd=COPY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True, text=True, errors="replace", **more)
        try:
            output, _ = process.communicate(timeout=max(0, min(seconds, self.left())))
        except subprocess.TimeoutExpired:
            raise NoVerdict(f"{pathlib.Path(words[0]).name} took longer than {seconds:.0f} s" if self.left() > 0
                            else "the time of the run is over") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return process.returncode, output


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


def build(commands, tests):
    targets = sorted({target for test in tests for target in target_of(test)})
    return commands.run(["ninja", "-C", str(BUILD), *targets], BUILD_SECONDS)


def words_of(test):
    name, *arguments = test.split()
    folder, _, program = name.partition("/")
    if folder == "integration":
        return [PYTHON, "tests/harness/runner.py", f"tests/integration/{program}.py", *arguments]
    return [BUILD / "tests" / f"{folder}_{program}", *arguments]


def run_test(commands, test):
    environment = dict(os.environ, TIDEMILL_BUILD=str(BUILD), TIDEMILL_QUICK="1")
    return commands.run(words_of(test), TEST_SECONDS, env=environment)


def what_failed(test, output, code):
    """The names of failed tests, or how the program ended."""
    names = FAILED_TEST.findall(output)[:2]
    lines = [line for line in output.split("\n") if line.strip() and not line.startswith("replay:")]
    return " ".join([test.split()[0], *(names or [f"exit code {code}:", *lines[-1:]])])[:200]


def first_failure(commands, tests):
    """The test that noticed the mutant and what it says, or None."""
    unclear = None
    for test in tests:
        try:
            code, output = run_test(commands, test)
        except NoVerdict as error:
            if commands.left() <= 0:
                raise
            unclear = error
            continue
        if code != 0:
            return test, what_failed(test, output, code)
        if NOT_RUN.search(output):
            unclear = NoVerdict(NOT_RUN.search(output).group())
    if unclear:
        raise unclear
    return None


def configure(commands):
    # Without warnings: a mutant may leave a function unused. Without debugging information it builds faster.
    return commands.run(["cmake", "-S", ".", "-B", str(BUILD), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                         "-DCMAKE_C_FLAGS_DEBUG=", "-DCMAKE_C_FLAGS=-w"], BUILD_SECONDS)


def apply(mutant):
    """The file's text before."""
    path = COPY / mutant.file
    text = path.read_text(encoding="utf-8")
    path.write_text(mutant.applied(text), encoding="utf-8")
    return text


def judge(commands, mutant, killers):
    """PASSED, FAILED or NO_VERDICT, what there is to say about it, and the output of a failed build."""
    before = apply(mutant)
    try:
        code, output = build(commands, mutant.tests)
        if code != 0:
            return FAILED, "does not build", output
        noticed = first_failure(commands, mutant.tests)
    except NoVerdict as error:
        return NO_VERDICT, f"no verdict: {error}", ""
    finally:
        (COPY / mutant.file).write_text(before, encoding="utf-8")
    if noticed and mutant.equivalent:
        return FAILED, f"dead by {noticed[1]}, but it is said to be equivalent", ""
    if noticed:
        killers.setdefault(noticed[0], []).append(mutant.name)
        return PASSED, f"dead by {noticed[1]}", ""
    if mutant.equivalent:
        return PASSED, f"lives, as it must: {mutant.equivalent}", ""
    return FAILED, f"LIVES: {mutant.why}", ""


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


def first_build(commands, mutants):
    """Whether everything builds without a mutant."""
    for step in (configure, lambda c: build(c, [test for mutant in mutants for test in mutant.tests])):
        code, output = step(commands)
        if code != 0:
            print(output[-4000:])
            return False
    return True


def failures_without_a_mutant(commands, killers):
    """How many mutants only look dead, because their tests fail without them, too."""
    failed = 0
    build(commands, list(killers))
    for test, mutants in killers.items():
        code, output = run_test(commands, test)
        if code != 0:
            failed += len(mutants)
            print(output[-4000:])
            print(f"{FAILED} {', '.join(mutants)}: {test} fails without a mutant, too")
    return failed


def share_of_this_commit():
    """The commits take turns: about SHARE_MUTANTS mutants each."""
    when = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    parts = max(1, len(MUTANTS) // SHARE_MUTANTS)
    return int(when.stdout) % parts + 1, parts


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", default="1/1", metavar="I/N")
    parser.add_argument("--rotate", action="store_true")
    parser.add_argument("--seconds", type=int, metavar="S")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    return parser.parse_args()


def run_all(commands, mutants):
    """How many mutants got each verdict."""
    verdicts, killers = {PASSED: 0, FAILED: 0, NO_VERDICT: 0}, {}
    for mutant in mutants:
        started = time.monotonic()
        if commands.left() <= 0:
            break
        verdict, text, output = judge(commands, mutant, killers)
        verdicts[verdict] += 1
        print(f"{verdict:4} {mutant.name:44} {text} ({time.monotonic() - started:.0f} s)", flush=True)
        if output:
            print(re.sub(r"^", "     ", output[-2000:], flags=re.MULTILINE))
    verdicts[NO_VERDICT] += len(mutants) - sum(verdicts.values())
    try:
        failed = failures_without_a_mutant(commands, killers)
    except NoVerdict as error:
        print(f"whether the tests pass without a mutant is not known: {error}")
        failed = 0
    verdicts[PASSED] -= failed
    verdicts[FAILED] += failed
    return verdicts


def run(commands, mutants):
    copy_sources()
    try:
        builds = first_build(commands, mutants)
    except NoVerdict as error:
        print(f"the build without a mutant: {error}")
        return {PASSED: 0, FAILED: 0, NO_VERDICT: len(mutants)}
    if not mutants or not builds:
        return {PASSED: 0, FAILED: 1, NO_VERDICT: len(mutants)}
    return run_all(commands, mutants)


def main():
    arguments = parse_arguments()
    mutants = chosen(arguments)
    if arguments.list:
        for mutant in mutants:
            print(f"{mutant.name:48} {mutant.file:32} {mutant.why}")
        return 0
    verdicts = run(Commands(arguments.seconds or 1 << 30), mutants)
    if verdicts[NO_VERDICT]:
        print(f"{verdicts[NO_VERDICT]} without a verdict")
    failed = verdicts[FAILED] + (0 if arguments.seconds else verdicts[NO_VERDICT])
    print(f"{verdicts[PASSED]} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
