"""Discretisations of h' = f(h, x), by the name that `model.discretization` takes."""

from asrnn.dynamics.contract import Scheme
from asrnn.dynamics.schemes.explicit import EULER, HEUN, MIDPOINT, RK4
from asrnn.dynamics.schemes.implicit import BACKWARD_EULER, IMPLICIT_MIDPOINT, TRAPEZOID
from asrnn.dynamics.schemes.multistep import AB2, LEAPFROG2
from asrnn.dynamics.schemes.semilinear import CAYLEY, ETD2RK, EXPONENTIAL_EULER, STRANG
from asrnn.dynamics.schemes.split import LEAPFROG, SYMPLECTIC_EULER

SCHEMES: dict[str, Scheme] = {
    "euler": EULER,
    "midpoint": MIDPOINT,
    "heun": HEUN,
    "rk4": RK4,
    "ab2": AB2,
    "leapfrog2": LEAPFROG2,
    "backward_euler": BACKWARD_EULER,
    "implicit_midpoint": IMPLICIT_MIDPOINT,
    "trapezoid": TRAPEZOID,
    "exponential_euler": EXPONENTIAL_EULER,
    "etd2rk": ETD2RK,
    "cayley": CAYLEY,
    "strang": STRANG,
    "symplectic_euler": SYMPLECTIC_EULER,
    "leapfrog": LEAPFROG,
}
