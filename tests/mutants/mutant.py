"""What a mutant is, and the tests that several mutants name."""
import dataclasses


@dataclasses.dataclass
class Mutant:
    """`old`, which stands once in the file, becomes `new`. The tests that should notice, most likely one first.

    A test is tests/run.py's name of a program, perhaps with arguments, as for a run by hand:
    "simulation/test_crash --states 20000" or "storage/test_log a_new_log_is_empty".
    """
    name: str
    why: str  # what is broken
    file: str
    old: str
    new: str
    tests: list
    equivalent: str = ""  # why no test can notice it; then it must live

    def applied(self, text):
        if text.count(self.old) != 1:
            raise SystemExit(f"{self.name}: its old text stands {text.count(self.old)} times in {self.file}, "
                             "it must stand there once")
        return text.replace(self.old, self.new)


CRASH = ["simulation/test_store", "simulation/test_crash"]
LONG_CRASH = ["simulation/test_crash --states 20000"]
FAULTS = ["simulation/test_disk_faults"]
DAMAGE = ["simulation/test_damage", "storage/test_journal_format"]
ROWS = ["storage/test_row_file", "storage/test_row_store", "storage/test_row_store_faults",
        "storage/test_row_store_generations"]
