#!/usr/bin/python3
"""Writes the inputs that fuzzing starts from: seeds.py DIRECTORY

For each target NAME a folder DIRECTORY/NAME and a list DIRECTORY/NAME.list, as libFuzzer's -seed_inputs=@FILE
takes it. Requests and batches are those that real clients wrote (tests/protocol/golden); the others are
in corpus/.
"""
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "protocol" / "golden"


def golden_lines(pattern):
    for path in sorted(GOLDEN.glob(pattern)):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield line.split()


def requests():
    """Name and bytes: which of the two tables, the header, the body."""
    headers = {(words[2], words[3]): bytes.fromhex(words[4])
               for words in golden_lines("headers.txt") if words[:2] == ["==", "headers"]}
    for words in golden_lines("*.txt"):
        if words[:1] != ["=="] or len(words) != 6:
            continue
        _, api, version, side, variant, body = words
        if variant == "full" and body != "-" and (api, version) in headers:
            yield (f"{api}-{version}-{side}",
                   bytes([side == "response"]) + headers[api, version] + bytes.fromhex(body))


def batches():
    for words in golden_lines("batches.txt"):
        if len(words) == 2 and words[0] != "#":
            yield words[0], bytes.fromhex(words[1])


def journal_groups():
    """The number of blocks, then the parts (docs/on-disk-format.md)."""
    def view(content):
        return bytes([len(content) % 128 | 128, len(content) // 128]) + content
    log = bytes(range(16)) + b"\3"
    batch = (0).to_bytes(8, "big") + (20000).to_bytes(4, "big") + b"\0\0\0\0\2" + bytes(44) + b"head"
    end = b"\1"
    yield "rows", b"\0" + b"\3" + view(b"Okey") + view(b"value") + b"\4" + view(b"Okey") + end
    yield "logs", b"\0" + b"\5" + log + b"\x0e" + b"\6" + log + end
    yield "batch", b"\0" + b"\2" + log + b"\x0e" + b"\1" + view(batch) + end
    yield "blocks", b"\5" + (b"\2" + log + b"\x0e\2" + view(batch) + b"\0\4" + view(b"tail")
                             + b"\2" + log + b"\x10\3" + view(batch) + b"\4\1" + view(b"") + end)


def write(directory, target, seeds):
    folder = directory / target
    folder.mkdir(parents=True)
    names = []
    for name, content in seeds:
        (folder / name).write_bytes(content)
        names.append(str(folder / name))
    assert names, f"no seeds for {target}"
    (directory / f"{target}.list").write_text(",".join(names), encoding="utf-8")


def write_all(directory):
    shutil.rmtree(directory, ignore_errors=True)
    write(directory, "request", requests())
    write(directory, "record_batch", batches())
    write(directory, "journal", journal_groups())
    for folder in sorted((HERE / "corpus").iterdir()):
        write(directory, folder.name, ((path.name, path.read_bytes()) for path in sorted(folder.iterdir())))


if __name__ == "__main__":
    write_all(pathlib.Path(sys.argv[1]))
