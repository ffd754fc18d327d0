"""What is minimised, and the metrics that are really wanted."""

from sightline.objectives.active_units import latent_use
from sightline.objectives.adversarial import Adversarial
from sightline.objectives.classification import (
    BinaryCrossEntropy,
    CrossEntropy,
    Exponential,
    Hinge,
    Logistic,
)
from sightline.objectives.denoiser_objective import DenoiserObjective
from sightline.objectives.denoising import Denoising
from sightline.objectives.denoising_diffusion import DenoisingDiffusion
from sightline.objectives.evidence_lower_bound import EvidenceLowerBound
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.importance_weighting import importance_weighted_log_likelihood
from sightline.objectives.masked_language import MaskedLanguage
from sightline.objectives.next_token import NextToken
from sightline.objectives.objective import Loss, Objective, Prediction
from sightline.objectives.one_shot_denoising import OneShotDenoising
from sightline.objectives.pixel_prediction import PixelPrediction
from sightline.objectives.reconstruction import Reconstruction
from sightline.objectives.registry import OBJECTIVES, default_objective
from sightline.objectives.regression import Absolute, Squared
from sightline.objectives.sequence import Sequence
from sightline.objectives.span import Span
from sightline.objectives.span_corruption import SpanCorruption
from sightline.objectives.staged_denoising import StagedDenoising
from sightline.objectives.token_classification import TokenClassification

__all__ = [
    "OBJECTIVES",
    "Absolute",
    "Adversarial",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "DenoiserObjective",
    "Denoising",
    "DenoisingDiffusion",
    "EvidenceLowerBound",
    "Exponential",
    "Hinge",
    "ImageObjective",
    "Logistic",
    "Loss",
    "MaskedLanguage",
    "NextToken",
    "Objective",
    "OneShotDenoising",
    "PixelPrediction",
    "Prediction",
    "Reconstruction",
    "Sequence",
    "Span",
    "SpanCorruption",
    "Squared",
    "StagedDenoising",
    "TokenClassification",
    "default_objective",
    "importance_weighted_log_likelihood",
    "latent_use",
]
