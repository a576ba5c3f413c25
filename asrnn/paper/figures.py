"""The paper's figures by name."""

from pathlib import Path

from asrnn.paper import figure1, spectra, trained_spectra


def write_figure(
    name: str,
    out: Path,
    *,
    steps: int = figure1.STEPS,
    quick: bool = False,
    workdir: str = "",
    source: str = "",
    data_dir: str = "",
) -> list[Path]:
    """Computes and draws a figure into a folder.

    Args:
      name: "figure1" or "spectra".
      out: the folder.
      steps: of the trajectories of figure1.
      quick: spectra on a small scale, to see that it works.
      workdir: the run whose spectra to draw; those of untrained networks by default.
      source: where the data of that run are, "" for what its config says.
      data_dir: likewise.

    Returns:
      The files that were written.
    """
    if name == "figure1":
        return figure1.write_figure1(out, steps)
    if workdir:
        return trained_spectra.write_trained_spectra(
            out, Path(workdir), source=source, data_dir=data_dir
        )
    return spectra.write_spectra(out, quick=quick)
