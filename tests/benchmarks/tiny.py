"""A case that takes no time: the bundled digits, in number and size."""

from asrnn.benchmarks.cases import Case, Images, Shape

TINY = Case("tiny", Shape(T=64, B=4, n=6, m=1), Images("digits", 20, (8, 8, 1)))
