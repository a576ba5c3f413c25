"""The cells, by the name that `model.cell` takes: a new one is one file and one line here."""

from asrnn.dynamics.cells.antisymmetric import ANTISYMMETRIC, GATED_ANTISYMMETRIC
from asrnn.dynamics.cells.baselines import ABLATION, GRU, LSTM, RESIDUAL, VANILLA
from asrnn.dynamics.cells.cornn import CORNN
from asrnn.dynamics.cells.hamiltonian import GATED_HAMILTONIAN, HAMILTONIAN
from asrnn.dynamics.cells.lem import LEM
from asrnn.dynamics.cells.linear_antisymmetric import LINEAR_ANTISYMMETRIC
from asrnn.dynamics.cells.lipschitz import GATED_LIPSCHITZ, LIPSCHITZ
from asrnn.dynamics.cells.orthogonal import CAYLEY, EXPM
from asrnn.dynamics.cells.unicornn import UNICORNN
from asrnn.dynamics.contract import MapCell, Ode

CELLS: dict[str, Ode | MapCell] = {
    "antisymmetric": ANTISYMMETRIC,
    "gated_antisymmetric": GATED_ANTISYMMETRIC,
    "hamiltonian": HAMILTONIAN,
    "gated_hamiltonian": GATED_HAMILTONIAN,
    "linear_antisymmetric": LINEAR_ANTISYMMETRIC,
    "lipschitz": LIPSCHITZ,
    "gated_lipschitz": GATED_LIPSCHITZ,
    "cornn": CORNN,
    "unicornn": UNICORNN,
    "lem": LEM,
    "cayley": CAYLEY,
    "expm": EXPM,
    "residual": RESIDUAL,
    "ablation": ABLATION,
    "vanilla": VANILLA,
    "lstm": LSTM,
    "gru": GRU,
}
