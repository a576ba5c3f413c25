"""Discretisations of h' = f(h, x), by the name that `model.discretization` takes."""

from asrnn.dynamics.contract import Scheme
from asrnn.dynamics.schemes.explicit import EULER, HEUN, MIDPOINT, RK4

SCHEMES: dict[str, Scheme] = {
    "euler": EULER,
    "midpoint": MIDPOINT,
    "heun": HEUN,
    "rk4": RK4,
}
