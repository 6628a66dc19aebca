#!/usr/bin/env python3
"""Writes the golden files: the Java client's bytes for every version of every API.

    capture.py JAR_PATH...

Each JAR_PATH is a class path with kafka-clients and slf4j-api (joined by ':'), the newest first: a
version is taken from the first that knows it, so an older release adds the versions that the newest
one has dropped. Run by hand when a message changes; the tests read only the files.

A block is a line "== NAME VERSION request|response full|empty HEX" ("-" for no bytes) and one line
"path=value" for each field. headers.txt has lines "== headers NAME VERSION REQUEST RESPONSE".
"""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROTOCOL = HERE.parents[2] / "protocol"
sys.path.insert(0, str(PROTOCOL))
import generate  # noqa: E402


def blocks(class_path, api):
    """The blocks of one release, by the words before the bytes."""
    command = ["java", "-Dfile.encoding=UTF-8", "-cp", class_path, HERE / "Capture.java",
               api.name, str(api.versions[0]), str(api.versions[1])]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    found = {}
    for block in output.split("== ")[1:]:
        words = block.splitlines()[0].split(" ")
        found[tuple(words[:3 if words[0] == "headers" else 4])] = "== " + block
    return found


def main():
    headers = []
    for path in sorted((PROTOCOL / "messages").glob("*.msg")):
        api = generate.Api(path)
        found = {}
        for class_path in sys.argv[1:]:
            found = blocks(class_path, api) | found
        for version in range(api.versions[0], api.versions[1] + 1):
            if (api.name, str(version), "request", "full") not in found:
                sys.exit(f"no release given knows {api.name} {version}")
        order = sorted(found, key=lambda key: (key[0], int(key[1 if key[0] != "headers" else 2])))
        messages = [found[key] for key in order if key[0] != "headers"]
        headers += [found[key] for key in order if key[0] == "headers"]
        (HERE / f"{path.stem}.txt").write_text("".join(messages), encoding="utf-8")
    (HERE / "headers.txt").write_text("".join(headers), encoding="utf-8")


if __name__ == "__main__":
    main()
