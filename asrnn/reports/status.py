"""How the status of runs and trials is shown: as a word with a mark, and counted."""

from collections import Counter
from collections.abc import Sequence

from asrnn.reports.markup import Markup, element


def status_mark(status: str) -> Markup:
    """The word with a mark whose shape and colour say the same."""
    return element("span", status, class_=f"status {status}")


def tally(states: Sequence[str]) -> str:
    """For example "5 done, 2 diverged", the most frequent first."""
    counts = sorted(Counter(states).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {status}" for status, count in counts)
