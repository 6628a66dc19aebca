"""A file system that can be really full: a tmpfs of some megabytes that only this test sees.

    with SmallDisk(64) as disk:
        with Broker(directory=disk.path) as broker:
            disk.fill()         # another process takes the rest
            disk.make_room()

The process gets mounts of its own at the first use, so nothing remains after its end. For that, root needs the right
to mount (CAP_SYS_ADMIN); other users need user namespaces, which Debian permits. A container normally has neither,
but it has a small file system of its own: /dev/shm.
"""
import ctypes
import os
import pathlib
import shutil
import tempfile

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MEGABYTE = 1 << 20
SHARED_MEMORY = pathlib.Path("/dev/shm")
SHARED_MEMORY_MAX = 1 << 30  # a larger one belongs to the whole machine

libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    if getattr(libc, function)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function}: {os.strerror(code)}")


def be_root_of_a_user_namespace():
    """Only a process with one thread may do this."""
    user, group = os.getuid(), os.getgid()
    call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        pathlib.Path(f"/proc/self/{name}").write_text(text, encoding="ascii")


def have_own_mounts():
    """None, or the reason why it is impossible."""
    try:
        if os.getuid() == 0:
            try:
                call("unshare", CLONE_NEWNS)
            except PermissionError:
                be_root_of_a_user_namespace()
        else:
            be_root_of_a_user_namespace()
        call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    except OSError as error:
        return error
    return None


def free_bytes(path):
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


class Mounted:
    """A tmpfs of this process."""
    def __init__(self, megabytes):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="tidemill-disk-"))
        call("mount", b"tmpfs", os.fsencode(self.path), b"tmpfs", 0, b"size=%dm" % megabytes)

    def remove(self):
        call("umount2", os.fsencode(self.path), 0)
        self.path.rmdir()


class Borrowed:
    """A folder on the container's small tmpfs. A file beside it takes the superfluous room."""
    def __init__(self, megabytes, why):
        disk = os.statvfs(SHARED_MEMORY)
        if disk.f_blocks * disk.f_frsize > SHARED_MEMORY_MAX:
            raise AssertionError(f"no small disk can be mounted here ({why}): run as root with CAP_SYS_ADMIN, or with "
                                 "user namespaces allowed (sysctl kernel.unprivileged_userns_clone=1)")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tidemill-disk-", dir=SHARED_MEMORY))
        self.path = self.folder / "disk"
        self.path.mkdir()
        too_much = free_bytes(self.folder) - megabytes * MEGABYTE
        if too_much > 0:
            with (self.folder / "rest").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, too_much)

    def remove(self):
        shutil.rmtree(self.folder)


class SmallDisk:
    tried, refusal = False, None

    def __init__(self, megabytes):
        if not SmallDisk.tried:
            SmallDisk.tried, SmallDisk.refusal = True, have_own_mounts()
        self.disk = Borrowed(megabytes, SmallDisk.refusal) if SmallDisk.refusal else Mounted(megabytes)
        self.path = self.disk.path
        self.ballast = self.path / "ballast"

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.disk.remove()

    def free_bytes(self):
        return free_bytes(self.path)

    def fill(self, leave_bytes=0):
        """Takes all room but this much."""
        with self.ballast.open("ab", buffering=0) as file:
            try:
                while self.free_bytes() > leave_bytes:
                    file.write(bytes(min(MEGABYTE, self.free_bytes() - leave_bytes)))
            except OSError:
                pass  # another process was faster: the disk is full

    def make_room(self):
        self.ballast.unlink()
