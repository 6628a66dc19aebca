"""./start: the demo shows the promised results, ends at Ctrl-C, and continues with its data."""
import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import time

from broker import ROOT, build_directory, wait_until

SECONDS = 60
ENDED_SECONDS = 20
RESULTS = ("window ", "duplicate ", "dead letter ")
ADDRESS = re.compile(r"listens on 127\.0\.0\.1:(\d+)")


class Start:
    """./start in a session of its own, with or without a terminal."""

    def __init__(self, data, *arguments, terminal=False):
        self.terminal = terminal
        self.text = ""
        reader, writer = pty.openpty() if terminal else os.pipe()
        self.output = reader
        self.process = subprocess.Popen(
            [ROOT / "start", "--port", "0", "--data", data, *arguments], stdout=writer, stderr=writer,
            stdin=writer if terminal else subprocess.DEVNULL, start_new_session=True,
            preexec_fn=lambda: self._in_the_child(writer),
            env=dict(os.environ, TIDEMILL_BUILD=str(build_directory()), TERM="dumb"))
        os.close(writer)

    def _in_the_child(self, writer):
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell cannot trap a signal that was ignored at its start
        if self.terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # now Ctrl-C reaches it

    def read_until(self, is_enough):
        """Collects the output until it is enough, or until the end."""
        deadline = time.monotonic() + SECONDS
        while not is_enough(self.text):
            ready, _, _ = select.select([self.output], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"not shown in {SECONDS} s:\n{self.text}"
            try:
                piece = os.read(self.output, 65536)
            except OSError:  # a terminal whose other end is closed
                piece = b""
            if not piece:
                break
            self.text += piece.decode("utf-8", "replace")
        return self.text

    def interrupt(self):
        if self.terminal:
            os.write(self.output, b"\x03")
        else:
            self.process.send_signal(signal.SIGINT)

    def wait(self):
        """The exit code. No process of its session may remain."""
        self.read_until(lambda text: False)
        code = self.process.wait(ENDED_SECONDS)
        os.close(self.output)
        # Ended processes may wait a moment for init to reap them.
        wait_until(lambda: not self.session(), ENDED_SECONDS, f"its session to be empty: {self.session()}")
        return code

    def session(self):
        listed = subprocess.run(["ps", "-o", "pid=,stat=,args=", "-g", str(self.process.pid)], check=False,
                                capture_output=True, text=True).stdout
        return [line for line in listed.splitlines() if line.split()[1][0] != "Z"]

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(ENDED_SECONDS)


def all_results(text):
    return all(f"\n{label}" in text for label in RESULTS)


def brokers_of(data):
    return subprocess.run(["pgrep", "-f", f"log.dirs={data} "], check=False, capture_output=True,
                          text=True).stdout.split()


def shown_by(data, terminal):
    start = Start(data, terminal=terminal)
    try:
        start.read_until(all_results)
        port = ADDRESS.search(start.text).group(1)
        assert f"kcat -b 127.0.0.1:{port} -t " in start.text
        end = subprocess.run([build_directory() / "tidemill", "-b", f"127.0.0.1:{port}", "topic",
                              "describe", "shop", "--format", "json"], check=True, capture_output=True,
                             text=True).stdout
        start.interrupt()
        assert start.wait() == 0, start.text
    finally:
        start.end()
    assert "error" not in start.text.lower(), start.text
    assert not brokers_of(data), "the broker still runs"
    return int(re.search(r'"end_offset":(\d+)', end).group(1))


def test_the_demo_shows_results_ends_at_ctrl_c_and_continues_with_its_data():
    data = tempfile.mkdtemp(prefix="tidemill-start-")
    try:
        first = shown_by(data, terminal=False)
        assert first > 0
        assert any(pathlib.Path(data).rglob("*.log")), "no segment was kept"
        second = shown_by(data, terminal=True)
        assert second > first, f"{second} records after {first}: it began anew"
    finally:
        shutil.rmtree(data)


def test_without_demo_it_is_the_broker_itself():
    data = tempfile.mkdtemp(prefix="tidemill-start-")
    start = Start(data, "--no-demo")
    try:
        start.read_until(lambda text: "ready in" in text)
        command = pathlib.Path(f"/proc/{start.process.pid}/cmdline").read_bytes().split(b"\0")[0]
        assert command.endswith(b"/tidemilld"), command
        start.process.terminate()
        assert start.wait() == 0, start.text
    finally:
        start.end()
        shutil.rmtree(data)


def test_a_port_in_use_is_reported_with_the_brokers_message():
    data = tempfile.mkdtemp(prefix="tidemill-start-")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        start = Start(data, "--port", port)
        try:
            assert start.wait() == 1
            assert f"tidemilld: cannot listen on 127.0.0.1:{port}: Address already in use" in start.text
            assert "hint: ./start --port N" in start.text
        finally:
            start.end()
            shutil.rmtree(data)


def test_a_wrong_flag_is_reported_and_nothing_starts():
    start = Start("/nowhere", "--prot", "1")
    try:
        assert start.wait() == 2
        assert "unknown argument --prot" in start.text and "./start --help" in start.text
    finally:
        start.end()
