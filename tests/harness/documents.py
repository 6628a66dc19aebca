"""The examples of the documents: blocks of code with a word after their language.

    ```python test
    ```

An example runs unchanged, except for the address and its folder. It must end with exit code 0.
"""
import re
import subprocess

from broker import ROOT

BLOCK = re.compile(r"^```(\w+) (\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "127.0.0.1:9092"
SECONDS = 60


class Example:
    def __init__(self, section, language, text):
        self.section, self.language, self.text = section, language, text

    def run(self, command, broker, folder, environment):
        """Runs `command` with a file of the example as its last argument; returns its output."""
        path = folder / f"example.{ {'js': 'mjs', 'python': 'py'}.get(self.language, self.language)}"
        path.write_text(self.text.replace(ADDRESS, broker.address), encoding="utf-8")
        done = subprocess.run([*command, path], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, encoding="utf-8", timeout=SECONDS, check=False)
        assert done.returncode == 0, f"{self.section}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


def examples(document, word):
    """The examples of a document with the mark `word`, each with the heading above it."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = []
    for block in BLOCK.finditer(text):
        if block.group(2) == word:
            section = re.findall(r"^#+ (.*)$", text[:block.start()], re.MULTILINE)[-1]
            found.append(Example(section, block.group(1), block.group(3)))
    assert found, f"{document} has no example for {word}"
    return found
