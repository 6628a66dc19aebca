#!/usr/bin/python3
"""The folders that each folder may include, and the only place of each foreign header."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ORDER = ["base", "protocol", "storage", "processors", "broker"]
MAY_INCLUDE = {folder: set(ORDER[:at + 1]) for at, folder in enumerate(ORDER)}
MAY_INCLUDE["client-tools"] = {"base", "protocol", "storage", "processors", "client-tools"}
HOMES = [
    (r"leveldb/", r"storage/(kv_leveldb|row_store)\.c"),
    (r"event2/", r"broker/net/\w+\.[ch]|broker/main\.c"),
    (r"liburing\.h", r"broker/net/ring\.c"),
    (r"openssl/", r"base/crypto\.c|broker/net/transport_tls\.c"),
    (r"(zlib|zstd|lz4\w*|snappy\S*|zconf)\.h", r"protocol/compression\w*\.c"),
    (r"(sys/socket|netinet/\S+|arpa/inet|netdb)\.h", r"broker/net/\w+\.[ch]|client-tools/cluster/\w+\.[ch]"),
    (r"pthread\.h", r"broker/[\w/]+\.[ch]|base/(block_pool|trace_repeats)\.c|storage/(io_posix|kv_leveldb|row_store|segment_file)\.c"),
]
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def faults_of(path):
    name = path.relative_to(ROOT).as_posix()
    folder = name.split("/")[0]
    for bracket, header in INCLUDE.findall(path.read_text(encoding="utf-8")):
        if bracket == '"' and header.split("/")[0] not in MAY_INCLUDE[folder]:
            yield f"{name}: includes {header}; {folder} may include {' '.join(sorted(MAY_INCLUDE[folder]))}"
        for pattern, home in HOMES:
            if bracket == "<" and re.fullmatch(pattern + ".*", header) and not re.fullmatch(home, name):
                yield f"{name}: includes <{header}>, whose home is {home}"


def main():
    sources = [path for folder in MAY_INCLUDE for path in sorted((ROOT / folder).rglob("*.[ch]"))]
    faults = [fault for path in sources for fault in faults_of(path)]
    print("\n".join(faults) or f"{len(sources)} files")
    return bool(faults) or len(sources) < 50


if __name__ == "__main__":
    sys.exit(main())
