"""What setup.cfg cannot say: the folders of the repository that a wheel has inside the package."""

from setuptools import find_packages, setup

SHIPPED = {
    "asrnn.configs": "configs",
    "asrnn.experiments": "experiments",
    "asrnn.experiments.spaces": "experiments/spaces",
}

setup(packages=[*find_packages(include=["asrnn*"]), *SHIPPED], package_dir=SHIPPED)
