"""The cells, by the name that `model.cell` takes: a new one is one file and one line here."""

from asrnn.dynamics.cells.antisymmetric import ANTISYMMETRIC, GATED_ANTISYMMETRIC
from asrnn.dynamics.cells.baselines import ABLATION, GRU, LSTM, VANILLA
from asrnn.dynamics.cells.hamiltonian import GATED_HAMILTONIAN, HAMILTONIAN
from asrnn.dynamics.contract import MapCell, Ode

CELLS: dict[str, Ode | MapCell] = {
    "antisymmetric": ANTISYMMETRIC,
    "gated_antisymmetric": GATED_ANTISYMMETRIC,
    "hamiltonian": HAMILTONIAN,
    "gated_hamiltonian": GATED_HAMILTONIAN,
    "ablation": ABLATION,
    "vanilla": VANILLA,
    "lstm": LSTM,
    "gru": GRU,
}
