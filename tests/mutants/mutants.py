"""The rules that tests/mutants/run.py breaks, one at a time. The rules stand in docs/durability.md."""
import broker_mutants
import journal_mutants
import log_mutants
import recovery_mutants
import row_mutants
import simulation_mutants

MUTANTS = [*journal_mutants.MUTANTS, *recovery_mutants.MUTANTS, *row_mutants.MUTANTS, *log_mutants.MUTANTS,
           *broker_mutants.MUTANTS, *simulation_mutants.MUTANTS]
