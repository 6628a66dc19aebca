"""Starts, stops and kills tidemilld for the integration tests.

    with Broker(shards=2) as broker:
        ... broker.address ...
        broker.restart()

A broker has its own data directory, which is removed at the end. It listens on a free loopback port and keeps it
over restarts. The program is TIDEMILL_BUILD/tidemilld (default build/asan). Every wait has a deadline and ends as
soon as its condition holds. If the `with` block ends with an exception, the last lines of the broker's log are
printed.
"""
import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY = re.compile(r"ready in [0-9.]+s listeners=\S*?PLAINTEXT://127\.0\.0\.1:(\d+)")
BROKEN = re.compile(r"ERROR: (Address|Leak|Undefined)Sanitizer|runtime error:|assertion failed|Assertion")
START_SECONDS = 30
STOP_SECONDS = 30
LOG_LINES = 2000


def build_directory():
    return pathlib.Path(os.environ.get("TIDEMILL_BUILD", ROOT / "build" / "asan")).resolve()


def quick():
    """Whether ./test --quick requested fewer repetitions."""
    return os.environ.get("TIDEMILL_QUICK") == "1"


def wait_until(condition, seconds, what):
    """Returns the first true value of condition(); fails after `seconds` without one."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.005)


class Broker:
    def __init__(self, shards=1, directory=None, settings=None):
        self._own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="tidemill-test-"))
        self.shards = shards
        self.port = 0
        self.settings = dict(settings or {})
        self.process = None
        self._log = collections.deque(maxlen=LOG_LINES)
        self._broken = []
        self._changed = threading.Condition()
        self._reader = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if self.process is not None:
                if kind is None:
                    self.stop()
                else:
                    self.kill()
        except AssertionError:
            self.print_log()
            raise
        finally:
            if kind is not None:
                self.print_log()
            if self._own_directory:
                shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def arguments(self):
        settings = {
            "log.dirs": self.directory / "data",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "tidemill.admin.listeners": "",
            "group.initial.rebalance.delay.ms": 0,
            "tidemill.shards": self.shards,
        }
        settings.update(self.settings)
        flags = [part for key, value in settings.items() for part in ("-X", f"{key}={value}")]
        return [str(build_directory() / "tidemilld"), *flags]

    def start(self):
        """Runs the program and returns when it is ready."""
        self.begin()
        if not self.is_ready():
            raise AssertionError(f"the broker was not ready in {START_SECONDS} s "
                                 f"(exit code {self.process.poll()})")

    def is_ready(self):
        """After begin(): waits until it is ready, or has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._port_said or not self._reader.is_alive(), START_SECONDS)
        self.port = self._port_said or self.port
        return self._port_said > 0

    def begin(self):
        """Runs the program, and does not wait."""
        assert self.process is None, "the broker runs already"
        environment = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1")
        self.process = subprocess.Popen(self.arguments(), stdin=subprocess.DEVNULL, env=environment,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with self._changed:
            self._port_said = 0
        self._reader = threading.Thread(target=self._read_log, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    def _read_log(self, pipe):
        for raw in pipe:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            with self._changed:
                self._log.append(line)
                if BROKEN.search(line):
                    self._broken.append(line)
                said = READY.search(line)
                if said:
                    self._port_said = int(said.group(1))
                self._changed.notify_all()
        with self._changed:
            self._reader = threading.Thread()  # no longer alive: start() need not wait for more
            self._changed.notify_all()

    def _ended(self):
        process, self.process = self.process, None
        process.stderr.close()
        if self._broken:
            raise AssertionError("the broker found a fault in itself: " + self._broken[0])
        return process.returncode

    def stop(self):
        """Sends SIGTERM; the broker must end with exit code 0."""
        reader = self._reader
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the broker did not stop within {STOP_SECONDS} s") from None
        if reader.ident is not None:
            reader.join(STOP_SECONDS)
        code = self._ended()
        assert code == 0, f"the broker stopped with exit code {code}"

    def kill(self):
        """Sends SIGKILL, like a crash."""
        reader = self._reader
        self.process.kill()
        self.process.wait()
        if reader.ident is not None:
            reader.join(STOP_SECONDS)
        self._ended()

    def restart(self, kill=False):
        """Stops it and starts it again on the same port and data."""
        if kill:
            self.kill()
        else:
            self.stop()
        self.start()

    def log_text(self):
        with self._changed:
            return "\n".join(self._log)

    def print_log(self, lines=40):
        print(f"--- the broker's log, last {lines} lines ---")
        print("\n".join(self.log_text().splitlines()[-lines:]))
        print("---")

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))
