#!/usr/bin/python3
"""Documents, comments and scripts name files that exist. A path that begins with a folder of the tree is a whole path.
Any other path of a header, a script or a document is the end of one: `listener.h`, `net/listener.h`."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("base", "protocol", "storage", "processors", "broker", "client-tools", "configs", "tests", "docs")
TEXTS = {".md", ".c", ".h", ".py", ".sh", ".txt", ".msg", ".java", ".js", ".go", ""}
GENERATED = ("messages.h", "messages.c")
START = r"(?<![\w./<>*{}$%+-])"  # not inside a longer name, nor behind a placeholder such as <type>
WHOLE = re.compile(rf"{START}(?:{'|'.join(FOLDERS)})/(?:[\w.-]+/)*"
                   r"(?:[\w.-]+\.(?:c|h|py|sh|md|msg|java|js|go|xml|properties)\b|)(?![\w*<>{}(.%$-][^\s])")
ENDING = re.compile(START + r"(?:[\w-]+/)*[\w-]+\.(?:h|py|md)\b(?![\w*/<>(-])")


def files_below(folder):
    return (path for path in (ROOT / folder).rglob("*")
            if path.is_file() and not {"node_modules", "__pycache__", "target"} & set(path.parts))


def faults_of(path, endings):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        whole = {name for name in WHOLE.findall(line) if not (ROOT / name).exists()}
        ends = {name for name in ENDING.findall(line) if name not in endings}
        for name in sorted(whole | ends):
            if not name.endswith(GENERATED):
                yield f"{path.relative_to(ROOT)}:{number}: no file {name}"


def main():
    tree = [path for folder in FOLDERS for path in files_below(folder)]
    top = [path for path in ROOT.iterdir() if path.is_file()]
    endings = {"/".join(path.relative_to(ROOT).parts[at:])
               for path in tree + top for at in range(len(path.relative_to(ROOT).parts))}
    texts = [path for path in tree + top if path.suffix in TEXTS and "corpus" not in path.parts]
    faults = [fault for path in texts for fault in faults_of(path, endings)]
    print("\n".join(faults) or f"{len(texts)} files")
    return bool(faults) or len(texts) < 500


if __name__ == "__main__":
    sys.exit(main())
