"""Stops a process in the midst of a cleaning: aim.py PID STAGE EVENTS DATA

It watches the files of the cleaner and sends SIGSTOP as soon as a cleaning has reached the stage. `output`: EVENTS
changes after a cleaning has begun to write files. `swap`: EVENTS changes after a swap list has got its content.
Prints a line when it watches. It runs in a process of its own, because the threads of the clients would delay it.
"""
import ctypes
import os
import pathlib
import select
import signal
import struct
import sys

from cleaner_files import EMPTY_LIST_BYTES

IN_MODIFY, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x2, 0x80, 0x100, 0x200


def watch(data):
    """An inotify descriptor, and which of its numbers is the folder of the lists."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    what = IN_MODIFY | IN_MOVED_TO | IN_CREATE | IN_DELETE
    for folder in (data / "topics").glob("*/*"):
        libc.inotify_add_watch(descriptor, os.fsencode(folder), what)
    return descriptor, libc.inotify_add_watch(descriptor, os.fsencode(data / "cleaning"), what)


def events(descriptor):
    """Until the parent is gone."""
    while sys.stdin not in select.select([descriptor, sys.stdin], [], [])[0]:
        data, at = os.read(descriptor, 1 << 16), 0
        while at < len(data):
            number, mask, _, size = struct.unpack_from("iIII", data, at)
            yield number, mask, data[at + 16:at + 16 + size].rstrip(b"\0").decode()
            at += 16 + size


def be_faster_than_the_broker():
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        pass  # then it stops the broker later, and more cuts miss their aim


def begins(stage, path):
    """Whether the list that was just put in place begins the stage."""
    try:
        return (path.stat().st_size > EMPTY_LIST_BYTES) == (stage == "swap")
    except OSError:
        return False  # it is over already


def main():
    pid, stage, left, data = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), pathlib.Path(sys.argv[4])
    descriptor, lists = watch(data)
    be_faster_than_the_broker()
    print("watching", flush=True)
    reached = False
    for number, mask, name in events(descriptor):
        if reached and (number == lists or name.endswith(".swap") or not mask & IN_MODIFY):
            left -= 1
        elif number == lists and mask & IN_MOVED_TO and begins(stage, data / "cleaning" / name):
            reached = True
        if reached and left <= 0:
            os.kill(pid, signal.SIGSTOP)
            return


if __name__ == "__main__":
    main()
