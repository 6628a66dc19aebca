#!/usr/bin/python3
"""C files have the format of clang-format. Text files follow .editorconfig and contain no reminders."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["base", "protocol", "storage", "processors", "broker", "client-tools", "tests"]
TEXT = {".c", ".h", ".py", ".sh", ".md", ".msg", ".txt", ".js", ".json", ".java", ".go", ".properties", ""}
REMINDER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")


def tracked():
    """The files of the checkout that git knows or would add; without git, all files that are not ignored."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
    if listed.returncode == 0:
        return [ROOT / line for line in listed.stdout.splitlines()]
    return [p for p in ROOT.rglob("*") if p.is_file()
            and not {".git", "build", "data", "node_modules", "__pycache__"} & set(p.relative_to(ROOT).parts)]


def badly_formatted():
    sources = [str(p) for folder in FOLDERS for p in sorted((ROOT / folder).rglob("*.[ch]"))
               if "node_modules" not in p.parts]
    done = subprocess.run(["clang-format", "--dry-run", "--Werror", *sources], cwd=ROOT, check=False,
                          stderr=subprocess.PIPE, encoding="utf-8")
    files = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "clang-format-violations" in line})
    for name in files:
        yield f"{pathlib.Path(name).relative_to(ROOT)}: clang-format -i would change it"


def text_faults(path):
    name = path.relative_to(ROOT)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        yield f"{name}: not UTF-8"
        return
    if text and not text.endswith("\n"):
        yield f"{name}: no line end at the end"
    for number, line in enumerate(text.splitlines(), 1):
        if line != line.rstrip():
            yield f"{name}:{number}: blanks at the end of the line"
        if REMINDER.search(line):
            yield f"{name}:{number}: a reminder; do it or drop it"


def main():
    faults = list(badly_formatted())
    for path in tracked():
        if path.suffix in TEXT and path.is_file() and not {"golden", "corpus"} & set(path.parts):
            faults += text_faults(path)
    print("\n".join(faults))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
