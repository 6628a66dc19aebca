#!/usr/bin/python3
"""Runs the functions test_* of one Python file: runner.py FILE [NAME...]

A NAME is a part of a function's name. A test passes when it returns. The last line is "N passed, M failed", as in
the C test programs.
"""
import importlib.util
import pathlib
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent


def load(path):
    sys.path[:0] = [str(HERE), str(path.parent)]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    sys.stdout.reconfigure(line_buffering=True)
    path = pathlib.Path(sys.argv[1]).resolve()
    wanted = sys.argv[2:]
    module = load(path)
    tests = [(name, test) for name, test in vars(module).items()
             if name.startswith("test_") and callable(test)
             and (not wanted or any(part in name for part in wanted))]
    passed = failed = 0
    for name, test in tests:
        started = time.monotonic()
        try:
            test()
            passed += 1
            print(f"  {name} {time.monotonic() - started:.1f} s")
        except Exception:
            failed += 1
            traceback.print_exc(file=sys.stdout)
            print(f"FAILED {name} {time.monotonic() - started:.1f} s")
    if hasattr(module, "finish"):
        try:
            module.finish()
        except Exception:
            failed += 1
            traceback.print_exc(file=sys.stdout)
            print("FAILED finish")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
