"""The closing table of a sweep."""

from collections.abc import Sequence

from asrnn.console import percent
from asrnn.sweeps.board import describe
from asrnn.sweeps.halving import setting
from asrnn.sweeps.sweep import Result
from asrnn.sweeps.trials import Trial

SHOWN = 10


def sweep_table(result: Result) -> str:
    """The leading settings, one a line, and the best as flags of `asrnn.train`."""
    lines = [f"{'validation':>10}  {'seeds':>5}  setting"]
    for score, group in result.ranking[:SHOWN]:
        lines.append(f"{percent(score):>10}  {len(group):>5}  {_setting(group)}")
    found = result.outcomes.values()
    dropped = len(found) - sum(len(group) for _, group in result.ranking)
    lines.append(
        f"picked by validation accuracy, never by test; {len(found)} trials,"
        f" {dropped} dropped at a rung,"
        f" {sum(one.status == 'diverged' for one in found)} diverged,"
        f" {sum(not one.finished for one in found)} not finished yet"
    )
    score, best = result.ranking[0]
    lines.append(f"best: {'none, no setting has finished' if score is None else _flags(best)}")
    return "\n".join(lines)


def _flags(group: Sequence[Trial]) -> str:
    """A setting as flags of `asrnn.train`."""
    return " ".join(f"--config.{name}={value}" for name, value in setting(group[0]))


def _setting(group: Sequence[Trial]) -> str:
    return describe(Trial("", dict(setting(group[0]))))
