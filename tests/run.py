#!/usr/bin/python3
"""Runs the tests that ./test has built: run.py [--quick] [--list] [NAME...]

A program is one of
  unit         BUILD/tests/<folder>_test_<file>, the C tests
  integration  tests/integration/test_*.py, real clients against a real broker
  check        tests/checks/*.py and *.sh; exit code 0 is one test passed
  fuzz         FUZZ_BUILD/tests/fuzz_*, a fixed number of runs
  interop      tests/interop/test_*.py, instead of all the others with --interop

NAME is a part of a program's name (storage/test_log, fuzz/request) or of a test in one
(join_completes): then only that test runs. The last line is "N passed, M failed".
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent
BUILD = pathlib.Path(os.environ.get("TIDEMILL_BUILD", ROOT / "build" / "asan"))
FUZZ_BUILD = pathlib.Path(os.environ.get("TIDEMILL_FUZZ_BUILD", ROOT / "build" / "fuzz"))
NOT_RUN = re.compile(r"^not run here: .*$", re.MULTILINE)
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's Kafka clients
AT_ONCE = (os.cpu_count() or 2) + 1  # some wait more than they work
FULL_SECONDS, QUICK_SECONDS = 1500, 300
FULL_FUZZ_RUNS, QUICK_FUZZ_RUNS = 50_000, 5_000
# These measure memory or time, or open ten thousand sockets: nothing runs beside them.
ALONE = {"integration/test_bad_clients", "integration/test_bad_input", "integration/test_kill9"}
# Long ones start first, so that nothing waits for them at the end.
FIRST = ("simulation/", "integration/")


class Program:
    """One thing to run: its name, its command, and the names of the tests in it."""

    def __init__(self, name, command, source=None, pattern=None):
        self.name = name
        self.command = [str(word) for word in command]
        self.counts_itself = pattern is not None
        text = source.read_text(encoding="utf-8") if source and source.exists() else ""
        self.tests = re.findall(pattern, text, re.MULTILINE) if pattern else []

    def narrowed(self, names):
        """This program with only the tests asked for; None when there are none."""
        if not names or any(part in self.name for part in names):
            return self
        chosen = [test for test in self.tests if any(part in test for part in names)]
        if not chosen:
            return None
        self.command += chosen
        return self


class Result:
    def __init__(self, program, passed, failed, seconds, output, note=""):
        self.program, self.passed, self.failed = program, passed, failed
        self.seconds, self.output, self.note = seconds, output, note


def unit_programs():
    for source in sorted(TESTS.glob("*/test_*.c")):
        folder = source.parent.name
        command = [BUILD / "tests" / f"{folder}_{source.stem}"]
        yield Program(f"{folder}/{source.stem}", command, source, r"^TEST\((\w+)\)")


def python_programs(folder):
    for source in sorted(TESTS.glob(f"{folder}/test_*.py")):
        yield Program(f"{folder}/{source.stem}", [PYTHON, TESTS / "harness" / "runner.py", source],
                      source, r"^def (test_\w+)\(")


def check_programs():
    scripts = [*TESTS.glob("checks/*.py"), *TESTS.glob("checks/*.sh")]
    for script in sorted(scripts):
        interpreter = PYTHON if script.suffix == ".py" else "/bin/sh"
        yield Program(f"check/{script.stem.removeprefix('check_')}", [interpreter, script])


def fuzz_programs(quick):
    seeds = FUZZ_BUILD / "seeds"
    if FUZZ_BUILD.is_dir():
        subprocess.run([PYTHON, TESTS / "fuzz" / "seeds.py", seeds], check=True)
    for source in sorted(TESTS.glob("fuzz/fuzz_*.c")):
        name = source.stem.removeprefix("fuzz_")
        command = [FUZZ_BUILD / "tests" / source.stem, "-seed=1", "-print_final_stats=0", "-verbosity=0",
                   "-max_len=4096", "-timeout=20", "-rss_limit_mb=1024",
                   f"-runs={QUICK_FUZZ_RUNS if quick else FULL_FUZZ_RUNS}",
                   f"-artifact_prefix={FUZZ_BUILD}/crash-{name}-", f"-seed_inputs=@{seeds / name}.list"]
        yield Program(f"fuzz/{name}", command)


def programs(arguments):
    if arguments.interop:
        return list(python_programs("interop"))
    quick = arguments.quick
    found = [*check_programs(), *unit_programs(), *fuzz_programs(quick), *python_programs("integration")]
    return sorted(found, key=lambda p: not p.name.startswith(FIRST))


def execute(program, quick):
    environment = dict(os.environ, TIDEMILL_BUILD=str(BUILD), UBSAN_OPTIONS="print_stacktrace=1")
    if quick:
        environment["TIDEMILL_QUICK"] = "1"
    limit = QUICK_SECONDS if quick else FULL_SECONDS
    started = time.monotonic()
    try:
        process = subprocess.Popen(program.command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True)
    except OSError as error:
        return Result(program, 0, 1, 0, str(error), "cannot run")
    note = ""
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        note = f"stopped after {limit} s"
    return judge(program, process.returncode, output.decode("utf-8", "replace"), note,
                 time.monotonic() - started)


def judge(program, code, output, note, seconds):
    if not program.counts_itself:
        return Result(program, int(code == 0), int(code != 0), seconds, output, note)
    summaries = SUMMARY.findall(output)
    if not summaries:
        return Result(program, 0, 1, seconds, output, note or f"no summary, exit code {code}")
    passed, failed = map(int, summaries[-1])
    note = " ".join(filter(None, (note, *NOT_RUN.findall(output)[:1])))
    if code != 0 and failed == 0:
        failed, note = 1, note or f"exit code {code}"
    return Result(program, passed, failed, seconds, output, note)


def report(result):
    program = result.program
    print(f"{'FAIL' if result.failed else 'ok  '} {program.name:<40} {result.passed:4d} passed "
          f"{result.seconds:6.1f} s {result.note}", flush=True)
    if result.failed:
        print(result.output.rstrip())
        print(f"  again: {shlex.join(['./interop' if program.name.startswith('interop/') else './test', program.name])}")
        print(f"  by hand: {shlex.join(program.command)}", flush=True)


def run_all(chosen, quick):
    together = [p for p in chosen if p.name not in ALONE]
    results = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for done in concurrent.futures.as_completed([pool.submit(execute, p, quick) for p in together]):
            results.append(done.result())
            report(results[-1])
    for program in chosen:
        if program.name in ALONE:
            results.append(execute(program, quick))
            report(results[-1])
    return results


def main():
    parser = argparse.ArgumentParser(description="runs the tests that ./test has built")
    parser.add_argument("--quick", action="store_true", help="run fewer repetitions, under two minutes")
    parser.add_argument("--interop", action="store_true", help="run the tests of the clients that ./interop installs")
    parser.add_argument("--list", action="store_true", help="print the programs and tests that would run")
    parser.add_argument("names", nargs="*", help="parts of program or test names")
    arguments = parser.parse_args()
    chosen = [p for p in programs(arguments) if p.narrowed(arguments.names)]
    if arguments.list:
        for program in chosen:
            print(program.name, *program.tests)
        return 0
    if not chosen:
        print(f"no test is named like {' or '.join(arguments.names)}; see --list")
    results = run_all(chosen, arguments.quick)
    passed, failed = (sum(getattr(r, what) for r in results) for what in ("passed", "failed"))
    broken = [r.program.name for r in results if r.failed]
    if broken:
        print("failed: " + " ".join(broken))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
