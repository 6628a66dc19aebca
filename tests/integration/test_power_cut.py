"""Real power cuts under a real broker: tests/powercut/run.py."""
import os
import pathlib
import subprocess
import sys

from broker import quick

RUN = pathlib.Path(__file__).resolve().parents[1] / "powercut" / "run.py"
CUTS = os.environ.get("TIDEMILL_CUTS") or (8 if quick() else 30)


def test_power_cuts_lose_nothing_that_a_client_has_seen():
    done = subprocess.run([sys.executable, RUN, "--cuts", str(CUTS)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    print(done.stdout)
    assert done.returncode == 0, f"exit code {done.returncode}"
