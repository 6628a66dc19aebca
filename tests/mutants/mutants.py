"""The rules that tests/mutants/run.py breaks, one at a time. The rules stand in docs/durability.md."""
import dataclasses


@dataclasses.dataclass
class Mutant:
    """`old`, which stands once in the file, becomes `new`. The tests that should notice, most likely one first."""
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
DAMAGE = ["simulation/test_damage", "storage/test_journal_format"]

MUTANTS = [
    # The journal
    Mutant("journal_unit_without_checksum", "a journal unit is accepted without its checksum",
           "storage/journal_format.c",
           "||\n        load_be32(unit.data + AT_CRC) != unit_crc(unit.data, header.length))", ")", DAMAGE),
    Mutant("journal_blocks_without_checksum", "a batch with blocks is accepted without its checksum",
           "storage/journal_format.c", "return header.crc == crc32c(crc, part->tail.data, part->tail.size);",
           "return true;", DAMAGE + CRASH),
    Mutant("journal_unit_of_another_run", "a unit of an earlier run is taken for one of this run",
           "storage/journal_reader.c", "unit->run == r->run &&", "", DAMAGE + CRASH),
    Mutant("journal_fallback_without_sync", "without direct I/O the journal is written and not synced",
           "storage/journal.c", "    return io_sync(io, file->file);",
           "return ERR_OK;", CRASH),
    Mutant("journal_file_without_sync_of_its_name", "the name of a new journal file is not made durable",
           "storage/journal.c",
           "        error = io_sync_directory(io, j->directory);\n    if (io_error_passes(error) && file->file)",
           "        error = ERR_OK;\n    if (io_error_passes(error) && file->file)", CRASH),
    # Acknowledgement
    Mutant("acknowledged_before_the_write", "commits are done when their unit is handed over",
           "storage/store_units.c", "    s->in_flight = true;\n    s->filling ^= 1;",
           "    s->in_flight = true;\n    list_take_all(&s->finished, &u->commits);\n    s->filling ^= 1;", CRASH),
    Mutant("failed_write_is_acknowledged", "a unit whose write failed counts as durable",
           "storage/store_units.c", "} else if (u->result != ERR_OK) {", "} else if (false) {",
           ["simulation/test_disk_faults"] + CRASH),
    # Checkpoints
    Mutant("checkpoint_without_sync", "the rows say that segments are durable that are not",
           "storage/store_checkpoint.c", "        error = io_sync_all(io, c->store->data_directory);",
           "        error = ERR_OK;", CRASH),
    Mutant("journal_recycled_before_the_rows", "journal files are recycled although the rows were not written",
           "storage/store_checkpoint.c", "        error = write_rows(c);",
           "        error = c->entries > 3 ? write_rows(c) : ERR_OK;", CRASH),
    # Segments
    Mutant("batch_read_without_checksum", "a batch of a segment is served without its checksum",
           "storage/segment.c", "return crc == scan->header.crc ? ERR_OK : ERR_CORRUPT;", "return ERR_OK;",
           ["storage/test_log_read", "simulation/test_segment_damage"]),
]
