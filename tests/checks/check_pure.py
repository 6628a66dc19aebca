#!/usr/bin/python3
"""Code that decides uses no clock, randomness, files, sockets or threads of its own: it gets them through struct env.
Reads the symbols of the built libraries with nm."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TIDEMILL_BUILD", ROOT / "build" / "asan"))
LIBRARIES = ["protocol", "storage", "processors", "broker"]
FORBIDDEN = """
clock_gettime clock_getres clock_nanosleep time gettimeofday times ftime localtime localtime_r mktime
getrandom getentropy rand rand_r random srand srandom drand48 lrand48 arc4random
open open64 openat openat64 creat fopen fopen64 fdopen freopen opendir readdir readdir64 mkstemp mkdtemp
read pread pread64 readv preadv preadv2 fread fgets getline
write pwrite pwrite64 writev pwritev pwritev2 fwrite fputs puts printf fprintf vfprintf putchar perror
__printf_chk __fprintf_chk __vfprintf_chk
fsync fdatasync sync_file_range sync syncfs ftruncate ftruncate64 truncate fallocate fallocate64
posix_fallocate posix_fallocate64 rename renameat unlink unlinkat mkdir mkdirat rmdir link symlink stat
stat64 fstat fstat64 lstat fstatat statvfs fstatvfs flock fcntl fcntl64 ioctl mmap mmap64 munmap
sendfile sendfile64 splice copy_file_range
socket connect accept accept4 bind listen send sendto sendmsg recv recvfrom recvmsg setsockopt
getsockopt shutdown getaddrinfo poll ppoll select epoll_wait epoll_ctl eventfd timerfd_create pipe pipe2
pthread_create pthread_join pthread_mutex_lock pthread_cond_wait pthread_cond_timedwait sem_wait
usleep sleep nanosleep sched_yield signal sigaction fork execve system getenv secure_getenv
""".split()
# Object files at the edge, which may wait and do I/O.
RIM = {
    "storage": r"io_posix|kv_leveldb|row_store|segment_file",  # the last locks the cache of the whole process
    "broker": r"main|arguments|data_directory|disk_worker|clean_gate|mailbox|settings|acceptor|alarm|loop|transport_\w+",
    "protocol": r"-",
    "processors": r"-",
}


def undefined_symbols(library):
    """(object, symbol) for each symbol that an object of the library needs from elsewhere."""
    output = subprocess.run(["nm", "-u", library], check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    name = ""
    for line in output.splitlines():
        head = re.fullmatch(r"(\S+)\.c\.o:", line)
        if head:
            name = head.group(1)
        elif line.strip():
            yield name, line.split()[-1].split("@")[0]


def main():
    faults, seen = [], 0
    for folder in LIBRARIES:
        for name, symbol in undefined_symbols(BUILD / folder / f"lib{folder}.a"):
            seen += 1
            if symbol in FORBIDDEN and not re.fullmatch(RIM[folder], name):
                faults.append(f"{folder}/{name}.c calls {symbol}")
    print("\n".join(faults) or f"{seen} references")
    return bool(faults) or seen < 1000


if __name__ == "__main__":
    sys.exit(main())
