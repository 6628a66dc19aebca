"""The records of the scenario and the lines of its clients, for clients in Python."""
import json
import select
import sys


def key_of(n):
    return f"key-{n % 1000}"


def value_of(n):
    return f"record {n:08d} " + "0123456789abcdef" * 5


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else value


def print_records(records):
    """records: (partition, offset, key, value, [(header, value)])."""
    if records:
        sys.stdout.write("".join(
            json.dumps({"p": p, "o": o, "k": text(k), "v": text(v),
                        "h": {name: text(value) for name, value in h or []}}) + "\n"
            for p, o, k, v, h in records))
        sys.stdout.flush()


def order():
    """The next word on the standard input, or None; "leave" at its end."""
    if not select.select([sys.stdin], [], [], 0)[0]:
        return None
    return sys.stdin.readline().strip() or "leave"


def numbers(arguments):
    """PARTITIONS CODEC FIRST COUNT, as given by the scenario."""
    partitions, codec, first, count = arguments
    return int(partitions), codec, int(first), int(count)


def main(codecs, create, produce, consume):
    verb, *rest = sys.argv[1:]
    if verb == "codecs":
        say(codecs=codecs)
    elif verb == "create":
        create(rest[0], rest[1], int(rest[2]))
        say(created=True)
    elif verb == "produce":
        say(produced=produce(rest[0], rest[1], *numbers(rest[2:])))
    elif verb == "consume":
        consume(*rest)
    else:
        sys.exit(f"what is {verb}?")
