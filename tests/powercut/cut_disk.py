"""An ext4 file system in a loop device whose power can be cut.

    disk = CutDisk(folder, seed)
    disk.mount()
    disk.cut()      # nothing reaches the device any more, the journal of ext4 neither
    disk.unmount()  # after the last process with open files has ended
    disk.mount()    # replays the journal of ext4

The cut is ext4's ioctl SHUTDOWN without a flush of its journal. It loses what no sync has covered: dirty pages, names,
sizes, and blocks that were reserved and not written before. What has reached the device stays; the device has no cache
that could lose it. It needs root, loop devices and the right to mount: see cannot().
"""
import fcntl
import os
import pathlib
import random
import struct
import subprocess
import tempfile

from broker import wait_until
from small_disk import have_own_mounts

EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, uint32_t)
NO_LOG_FLUSH = struct.pack("I", 2)
IMAGE_BYTES = 256 << 20
CLOSE_SECONDS = 30
OPTIONS = ("", "", "", "commit=1", "nodelalloc", "data=writeback")
SHARED_MEMORY = pathlib.Path("/dev/shm")


def command(*words):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        text = " ".join(done.stdout.decode("utf-8", "replace").split())
        raise OSError(done.returncode, f"{words[0]}: {text}")


def image_folder():
    """Memory is faster than a disk, and nothing must outlive this machine. A container has little of it."""
    try:
        room = os.statvfs(SHARED_MEMORY)
        if room.f_bavail * room.f_frsize > 16 * IMAGE_BYTES:
            return SHARED_MEMORY
    except OSError:
        pass
    return tempfile.gettempdir()


class CutDisk:
    def __init__(self, folder, seed):
        choose = random.Random(seed)
        self.image, self.path = pathlib.Path(folder) / "image", pathlib.Path(folder) / "disk"
        self.options = ",".join(filter(None, ("loop", choose.choice(OPTIONS))))
        self.path.mkdir()
        with self.image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        command("mkfs.ext4", "-q", "-F", "-b", choose.choice((1024, 4096)), self.image)
        self.root = -1

    def mount(self):
        command("mount", "-t", "ext4", "-o", self.options, self.image, self.path)
        self.root = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)

    def cut(self):
        fcntl.ioctl(self.root, EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH)

    def unmount(self):
        if self.root < 0:
            return
        os.close(self.root)
        self.root = -1
        wait_until(self.is_unmounted, CLOSE_SECONDS, f"the kernel to close the files in {self.path}")

    def is_unmounted(self):
        try:
            command("umount", self.path)
        except OSError:
            return False
        return True


def cannot():
    """Gives this process mounts of its own. Then tries a cut. None, or the reason why there can be none."""
    error = have_own_mounts()
    if error:
        return f"this process cannot have mounts of its own ({error})"
    with tempfile.TemporaryDirectory(prefix="tidemill-cut-", dir=image_folder()) as folder:
        try:
            disk = CutDisk(folder, 0)
            disk.mount()
        except OSError as failure:
            return f"no ext4 can be mounted from a file ({failure.strerror})"
        try:
            disk.cut()
        except OSError as failure:
            return f"ext4 cannot be shut down ({failure.strerror})"
        finally:
            disk.unmount()
    return None
