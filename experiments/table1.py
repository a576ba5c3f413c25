"""Table 1 of the paper: pixel-by-pixel MNIST and permuted MNIST, test accuracy in %.

One definition a row; `python -m asrnn.reproduce table1` runs those that name a config file.

Where the numbers come from: `paper`, `units` and `printed_parameters` are those of table 1 of
B. Chang, M. Chen, E. Haber, E. H. Chi, AntisymmetricRNN: A Dynamical System View on Recurrent
Neural Networks, ICLR 2019 (arXiv:1902.09689). It has one number a row, no seeds and no error
bars, and cites the five baselines from earlier papers. Of these, the LSTM can be run here; the
others are only cited.

The paper publishes neither the settings that it chose nor, in the text at hand, the number of
updates: 50,000 is what is remembered of its appendix. Our settings are those of the config
file, with `overrides` on top.
"""

TITLE = "Table 1: pixel-by-pixel MNIST"
PAPER = "Chang et al. 2019, table 1"

ROWS = [
    {
        "name": "mnist-lstm",
        "task": "mnist",
        "method": "LSTM",
        "paper": 97.3,
        "units": 128,
        "printed_parameters": "68k",
        "source": f"{PAPER}, citing Arjovsky et al. 2016",
        "config": "configs/mnist.py:lstm",
        "overrides": {},
        "steps": 50_000,
        "seeds": [0, 1, 2],
    },
    {
        "name": "mnist-urnn-116",
        "task": "mnist",
        "method": "FC uRNN",
        "paper": 92.8,
        "units": 116,
        "printed_parameters": "16k",
        "source": f"{PAPER}, citing Wisdom et al. 2016",
    },
    {
        "name": "mnist-urnn-512",
        "task": "mnist",
        "method": "FC uRNN",
        "paper": 96.9,
        "units": 512,
        "printed_parameters": "270k",
        "source": f"{PAPER}, citing Wisdom et al. 2016",
    },
    {
        "name": "mnist-soft-orthogonal",
        "task": "mnist",
        "method": "Soft orthogonal",
        "paper": 94.1,
        "units": 128,
        "printed_parameters": "18k",
        "source": f"{PAPER}, citing Vorontsov et al. 2017",
    },
    {
        "name": "mnist-kru",
        "task": "mnist",
        "method": "KRU",
        "paper": 96.4,
        "units": 512,
        "printed_parameters": "11k",
        "source": f"{PAPER}, citing Jose et al. 2017",
    },
    {
        "name": "mnist-antisymmetric",
        "task": "mnist",
        "method": "AntisymmetricRNN",
        "paper": 98.0,
        "units": 128,
        "printed_parameters": "10k",
        "source": PAPER,
        "config": "configs/mnist.py",
        "overrides": {"optimizer.learning_rate": 1.0, "model.init_scale": 4.0},
        "steps": 50_000,
        "seeds": [0],
    },
    {
        "name": "mnist-gated",
        "task": "mnist",
        "method": "AntisymmetricRNN w/ gating",
        "paper": 98.8,
        "units": 128,
        "printed_parameters": "10k",
        "source": PAPER,
        "config": "configs/mnist.py:gated",
        "overrides": {
            "optimizer.name": "sgd",
            "optimizer.momentum": 0.9,
            "optimizer.learning_rate": 0.2,
            "model.init_scale": 4.0,
        },
        "steps": 18_000,
        "seeds": [0],
    },
    {
        "name": "pmnist-lstm",
        "task": "pmnist",
        "method": "LSTM",
        "paper": 92.6,
        "units": 128,
        "printed_parameters": "68k",
        "source": f"{PAPER}, citing Arjovsky et al. 2016",
        "config": "configs/pmnist.py:lstm",
        "overrides": {},
        "steps": 50_000,
        "seeds": [0, 1, 2],
    },
    {
        "name": "pmnist-urnn-116",
        "task": "pmnist",
        "method": "FC uRNN",
        "paper": 92.1,
        "units": 116,
        "printed_parameters": "16k",
        "source": f"{PAPER}, citing Wisdom et al. 2016",
    },
    {
        "name": "pmnist-urnn-512",
        "task": "pmnist",
        "method": "FC uRNN",
        "paper": 94.1,
        "units": 512,
        "printed_parameters": "270k",
        "source": f"{PAPER}, citing Wisdom et al. 2016",
    },
    {
        "name": "pmnist-soft-orthogonal",
        "task": "pmnist",
        "method": "Soft orthogonal",
        "paper": 91.4,
        "units": 128,
        "printed_parameters": "18k",
        "source": f"{PAPER}, citing Vorontsov et al. 2017",
    },
    {
        "name": "pmnist-kru",
        "task": "pmnist",
        "method": "KRU",
        "paper": 94.5,
        "units": 512,
        "printed_parameters": "11k",
        "source": f"{PAPER}, citing Jose et al. 2017",
    },
    {
        "name": "pmnist-antisymmetric",
        "task": "pmnist",
        "method": "AntisymmetricRNN",
        "paper": 95.8,
        "units": 128,
        "printed_parameters": "10k",
        "source": PAPER,
        "config": "configs/pmnist.py",
        "overrides": {"optimizer.learning_rate": 1.0, "model.init_scale": 4.0},
        "steps": 5_000,
        "seeds": [0],
    },
    {
        "name": "pmnist-gated",
        "task": "pmnist",
        "method": "AntisymmetricRNN w/ gating",
        "paper": 93.1,
        "units": 128,
        "printed_parameters": "10k",
        "source": PAPER,
        "config": "configs/pmnist.py:gated",
        "overrides": {},
        "steps": 50_000,
        "seeds": [0, 1, 2],
    },
]
