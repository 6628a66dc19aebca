"""kcat. It has no command that creates a topic. A request for the topic's metadata creates it, with num.partitions.

kcat takes no commands, so this program runs one for each member. kcat commits by itself, at the latest at its end.
"""
import re
import signal
import subprocess
import sys
import threading

from records import key_of, main, say, value_of

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# Partition, offset, key, headers, value; the value has no line break.
FORMAT = "%p %o %k %h %s\n"
ASSIGNED = re.compile(r"rebalanced .*: (assigned|revoked):? ?(.*)")


def create(address, topic, partitions):
    done = subprocess.run(["kcat", "-b", address, "-L", "-t", topic, "-J"], check=True, encoding="utf-8",
                          stdout=subprocess.PIPE)
    for _ in range(50):
        if done.stdout.count('"partition":') == partitions:
            return
        done = subprocess.run(["kcat", "-b", address, "-L", "-t", topic, "-J"], check=True,
                              encoding="utf-8", stdout=subprocess.PIPE)
    sys.exit(f"no topic of {partitions} partitions: {done.stdout}")


def produce(address, topic, partitions, codec, first, count):
    for partition in range(partitions):
        lines = "".join(f"{key_of(n)}|{value_of(n)}\n" for n in range(first, first + count)
                        if n % partitions == partition)
        subprocess.run(["kcat", "-P", "-b", address, "-t", topic, "-p", str(partition), "-K", "|", "-z", codec,
                        "-H", f"codec={codec}", "-X", "enable.idempotence=true", "-X", "queue.buffering.max.messages=1000000"],
                       check=True, input=lines.encode())
    return count


def assignment(line):
    found = ASSIGNED.search(line)
    if found:
        held = found.group(2) if found.group(1) == "assigned" else ""
        say(assigned=[int(p) for p in re.findall(r"\[(\d+)\]", held)])


def consume(address, topic, group):
    # -E: continues when the broker is absent for a while.
    command = ["kcat", "-E", "-b", address, "-G", group, "-u", "-f", FORMAT, "-X", "auto.offset.reset=earliest",
               "-X", "session.timeout.ms=10000", "-X", "heartbeat.interval.ms=200", "-X", "auto.commit.interval.ms=100", topic]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")

    def read_errors():
        for line in process.stderr:
            assignment(line)
            print(line, end="", file=sys.stderr, flush=True)

    def read_records():
        for line in process.stdout:
            partition, offset, key, headers, value = line.rstrip("\n").split(" ", 4)
            say(p=int(partition), o=int(offset), k=key, v=value, h=dict([headers.split("=")] if headers else []))

    readers = [threading.Thread(target=read_errors), threading.Thread(target=read_records)]
    for reader in readers:
        reader.start()
    for word in sys.stdin:
        if word.strip() == "commit":
            say(committed=True)
        else:
            break
    process.send_signal(signal.SIGTERM)
    process.wait()
    for reader in readers:
        reader.join()
    say(left=True)


if __name__ == "__main__":
    main(CODECS, create, produce, consume)
