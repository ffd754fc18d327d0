"""Training: the engine, its algorithms, and the run they leave."""

from sightline.train.algorithm import Algorithm
from sightline.train.evaluation import Evaluation
from sightline.train.first_step import describe
from sightline.train.fit import fit, resume, train
from sightline.train.interruption import Interrupted
from sightline.train.plan import Plan
from sightline.train.run import Run, open_run
from sightline.train.spec import RunSpec
from sightline.train.supervised import Supervised

__all__ = [
    "Algorithm",
    "Evaluation",
    "Interrupted",
    "Plan",
    "Run",
    "RunSpec",
    "Supervised",
    "describe",
    "fit",
    "open_run",
    "resume",
    "train",
]
