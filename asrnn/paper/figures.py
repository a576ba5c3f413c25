"""The paper's figures by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asrnn.paper import figure1, phase, spectra, trained_spectra


def write_figure(
    name: str,
    out: Path,
    *,
    steps: int = figure1.STEPS,
    quick: bool = False,
    workdir: str = "",
    data: Mapping[str, Any],
) -> list[Path]:
    """Computes and draws a figure into a folder.

    Args:
      name: "figure1", "spectra" or "phase".
      out: the folder.
      steps: of the trajectories of figure1.
      quick: spectra or phase on a small scale, to see that it works.
      workdir: the run whose spectra to draw; those of untrained networks by default.
      data: the fields of its config that say where the data are, if others than it says.

    Returns:
      The files that were written.
    """
    if name == "figure1":
        return figure1.write_figure1(out, steps)
    if name == "phase":
        return phase.write_phase(out, quick=quick)
    if workdir:
        return trained_spectra.write_trained_spectra(out, Path(workdir), data)
    return spectra.write_spectra(out, quick=quick)
