"""Explanations: the theory worked out in numbers and figures, for one's data or a generated problem."""

from sightline.explain.adaptive import explain_adaptive
from sightline.explain.bias_variance import explain_bias_variance
from sightline.explain.denoising import explain_denoising
from sightline.explain.double_descent import explain_double_descent
from sightline.explain.early_stopping import explain_early_stopping
from sightline.explain.explanation import Explanation, Table
from sightline.explain.gradient_descent import explain_gradient_descent
from sightline.explain.initialisation import explain_initialisation
from sightline.explain.k_means import explain_k_means
from sightline.explain.linear_autoencoder import explain_linear_autoencoder
from sightline.explain.masking import explain_masking
from sightline.explain.mode_collapse import explain_mode_collapse
from sightline.explain.momentum import explain_momentum
from sightline.explain.problem import Problem, ProblemSpec, given, problem
from sightline.explain.registry import EXPLANATIONS
from sightline.explain.ridge import explain_ridge
from sightline.explain.spec import ExplainSpec, explain
from sightline.explain.stochastic_gradient import explain_stochastic_gradient

__all__ = [
    "EXPLANATIONS",
    "ExplainSpec",
    "Explanation",
    "Problem",
    "ProblemSpec",
    "Table",
    "explain",
    "explain_adaptive",
    "explain_bias_variance",
    "explain_denoising",
    "explain_double_descent",
    "explain_early_stopping",
    "explain_gradient_descent",
    "explain_initialisation",
    "explain_k_means",
    "explain_linear_autoencoder",
    "explain_masking",
    "explain_mode_collapse",
    "explain_momentum",
    "explain_ridge",
    "explain_stochastic_gradient",
    "given",
    "problem",
]
