"""Least squares and the theory of its optimisation: float64 functions that return small dataclasses.

The loss is L(w) = ‖Xw − y‖² (+ λ‖w‖²), without ½ and without a mean; docs/theory.md has the map of the room.
"""

from sightline.linear.activation_moments import ACTIVATIONS, Activation, gain, leaky_relu, second_moment, slope_moment
from sightline.linear.adaptive import Adagrad, Adam, RMSProp, adaptive_iterates
from sightline.linear.aliasing import alias_survival, aliased_coefficients, bilevel_weights, fourier_features
from sightline.linear.augmentation import augment_data, augment_features
from sightline.linear.autoencoder_descent import AutoencoderCourse, descend
from sightline.linear.best_filter import best_factors, error_under_prior
from sightline.linear.bias_variance import ErrorDecomposition, decompose_error, errors_by_direction
from sightline.linear.centre_descent import CentreDescent, centre_descent
from sightline.linear.centring import Centred, centred
from sightline.linear.closest_ridge import BesideRidge, beside_ridge, closest_ridge
from sightline.linear.companion_matrix import companion, curvatures, error_factors
from sightline.linear.denoising import denoising_error, denoising_map
from sightline.linear.descent_estimators import EarlyStopping, MinimumNorm, Ridge, TunedRidge
from sightline.linear.descent_problems import GivenData, LinearTruth
from sightline.linear.descent_rates import (
    DescentRates,
    contraction,
    descent_rates,
    fastest_rate,
    stability_limit,
    steps_to_shrink,
)
from sightline.linear.deterministic_equivalent import (
    ExpectedErrors,
    effective_ridge,
    expected_errors,
    isotropic_error,
)
from sightline.linear.double_descent import DoubleDescent, double_descent
from sightline.linear.early_stopping import (
    descent_filter,
    flow_filter,
    largest_filter_gap,
    matching_ridge,
    matching_steps,
    relative_risk_bound,
)
from sightline.linear.elbows import CauchyElbows, ReciprocalNormalElbows, dead_on, elbow
from sightline.linear.error_sweeps import sweep_ridge, sweep_steps
from sightline.linear.expected_centre import ExpectedCentre, expected_centre
from sightline.linear.exponential_average import average_weights, bias_correction, exponential_average
from sightline.linear.finite_width import Simulation, relative_variance, simulate_signal
from sightline.linear.frequency_response import (
    FrequencyResponse,
    alternating_gain,
    frequency_response,
    half_power_frequency,
    impulse_response,
    mean_age,
)
from sightline.linear.gaussian_mixture import GaussianMixture
from sightline.linear.gaussian_prior import (
    Posterior,
    maximum_a_posteriori,
    maximum_likelihood,
    negative_log_likelihood,
    negative_log_prior,
    posterior,
    ridge_from_variances,
)
from sightline.linear.gradient_descent import (
    descent_limit,
    excess_by_direction,
    gradient_descent,
    gradient_descent_iterates,
    loss_at,
)
from sightline.linear.initialisation import draw_layer, draw_weights, weight_variance
from sightline.linear.k_means import KMeans, k_means, lloyd, lloyd_step
from sightline.linear.k_means_start import drawn_points, k_means_plus_plus
from sightline.linear.kernel_ridge import (
    kernel_ridge,
    kernel_ridge_predict,
    linear_kernel,
    polynomial_kernel,
    rbf_kernel,
)
from sightline.linear.least_squares import Solution, least_squares, minimum_norm
from sightline.linear.linear_autoencoder import (
    FreeAutoencoder,
    LinearAutoencoder,
    ProjectionAutoencoder,
    TiedAutoencoder,
    UnrolledAutoencoder,
    unrolled_encoder,
)
from sightline.linear.masked_autoencoder import (
    draw_seen,
    encode_clamped,
    encode_dropped_rows,
    encode_with_flags,
    encode_zero_filled,
)
from sightline.linear.masking_map import masking_error, masking_map
from sightline.linear.model_complexity import (
    ComplexityCurve,
    complexity_curve,
    polynomial_complexity,
    polynomial_features,
    simulate_complexity,
)
from sightline.linear.momentum import MomentumTrajectory, momentum, momentum_iterates
from sightline.linear.momentum_forms import AveragedMomentum, HeavyBall, MomentumForm, Velocity
from sightline.linear.momentum_stability import (
    critical_momentum,
    eigenvalues,
    is_stable,
    largest_stable_rate,
    spectral_radius,
    stability_map,
)
from sightline.linear.momentum_torch import dampened_start_velocity, from_torch_sgd
from sightline.linear.newton import newton, newton_iterates, newton_step
from sightline.linear.online_k_means import ConstantRate, OnlineKMeans, RunningMean, online_k_means
from sightline.linear.optimal_momentum import OptimalMomentum, optimal_momentum
from sightline.linear.pca import PrincipalComponents, principal_components
from sightline.linear.principal_angles import largest_principal_angle, orthonormal_basis, principal_angles
from sightline.linear.random_features import draw_random_features, random_features
from sightline.linear.ridge import effective_dimension, filter_factors, ridge, ridge_gains, ridge_in_svd_coordinates
from sightline.linear.ridge_path import RidgePath, ridge_path
from sightline.linear.ring_of_gaussians import Coverage, mode_coverage, ring_of_gaussians
from sightline.linear.simulated_errors import SimulatedErrors, simulate_errors
from sightline.linear.simulated_survival import simulate_survival
from sightline.linear.soft_assignment import critical_gamma, soft_assignment
from sightline.linear.soft_k_means import FreeEnergy, SoftDistance, SoftKMeans, soft_k_means
from sightline.linear.squared_distances import nearest_centres
from sightline.linear.squared_error import gradient, hessian, squared_error
from sightline.linear.stationary_noise import mean_square_limit, small_rate_covariance, stationary_covariance
from sightline.linear.stochastic_gradient import (
    StochasticMoments,
    gradient_noise,
    stochastic_gradient_iterates,
    stochastic_gradient_moments,
)
from sightline.linear.subspace_recovery import (
    Clamped,
    DroppedRows,
    MaskFlags,
    Recovery,
    ZeroFilled,
    error_at_missing,
    planted_examples,
    recover_subspace,
)
from sightline.linear.survival import Survival, survival, survival_of
from sightline.linear.svd_coordinates import SVDCoordinates, svd_coordinates
from sightline.linear.variance_propagation import FixedPoint, Propagation, fixed_point, propagate
from sightline.linear.weight_decay import decay_factor, decay_of_ridge, decayed_step
from sightline.linear.weighted_least_squares import weighted_least_squares, weights_from_variances

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Adagrad",
    "Adam",
    "AutoencoderCourse",
    "AveragedMomentum",
    "BesideRidge",
    "CauchyElbows",
    "CentreDescent",
    "Centred",
    "Clamped",
    "ComplexityCurve",
    "ConstantRate",
    "Coverage",
    "DescentRates",
    "DoubleDescent",
    "DroppedRows",
    "EarlyStopping",
    "ErrorDecomposition",
    "ExpectedCentre",
    "ExpectedErrors",
    "FixedPoint",
    "FreeAutoencoder",
    "FreeEnergy",
    "FrequencyResponse",
    "GaussianMixture",
    "GivenData",
    "HeavyBall",
    "KMeans",
    "LinearAutoencoder",
    "LinearTruth",
    "MaskFlags",
    "MinimumNorm",
    "MomentumForm",
    "MomentumTrajectory",
    "OnlineKMeans",
    "OptimalMomentum",
    "Posterior",
    "PrincipalComponents",
    "ProjectionAutoencoder",
    "Propagation",
    "RMSProp",
    "ReciprocalNormalElbows",
    "Recovery",
    "Ridge",
    "RidgePath",
    "RunningMean",
    "SVDCoordinates",
    "SimulatedErrors",
    "Simulation",
    "SoftDistance",
    "SoftKMeans",
    "Solution",
    "StochasticMoments",
    "Survival",
    "TiedAutoencoder",
    "TunedRidge",
    "UnrolledAutoencoder",
    "Velocity",
    "ZeroFilled",
    "adaptive_iterates",
    "alias_survival",
    "aliased_coefficients",
    "alternating_gain",
    "augment_data",
    "augment_features",
    "average_weights",
    "beside_ridge",
    "best_factors",
    "bias_correction",
    "bilevel_weights",
    "centre_descent",
    "centred",
    "closest_ridge",
    "companion",
    "complexity_curve",
    "contraction",
    "critical_gamma",
    "critical_momentum",
    "curvatures",
    "dampened_start_velocity",
    "dead_on",
    "decay_factor",
    "decay_of_ridge",
    "decayed_step",
    "decompose_error",
    "denoising_error",
    "denoising_map",
    "descend",
    "descent_filter",
    "descent_limit",
    "descent_rates",
    "double_descent",
    "draw_layer",
    "draw_random_features",
    "draw_seen",
    "draw_weights",
    "drawn_points",
    "effective_dimension",
    "effective_ridge",
    "eigenvalues",
    "elbow",
    "encode_clamped",
    "encode_dropped_rows",
    "encode_with_flags",
    "encode_zero_filled",
    "error_at_missing",
    "error_factors",
    "error_under_prior",
    "errors_by_direction",
    "excess_by_direction",
    "expected_centre",
    "expected_errors",
    "exponential_average",
    "fastest_rate",
    "filter_factors",
    "fixed_point",
    "flow_filter",
    "fourier_features",
    "frequency_response",
    "from_torch_sgd",
    "gain",
    "gradient",
    "gradient_descent",
    "gradient_descent_iterates",
    "gradient_noise",
    "half_power_frequency",
    "hessian",
    "impulse_response",
    "is_stable",
    "isotropic_error",
    "k_means",
    "k_means_plus_plus",
    "kernel_ridge",
    "kernel_ridge_predict",
    "largest_filter_gap",
    "largest_principal_angle",
    "largest_stable_rate",
    "leaky_relu",
    "least_squares",
    "linear_kernel",
    "lloyd",
    "lloyd_step",
    "loss_at",
    "masking_error",
    "masking_map",
    "matching_ridge",
    "matching_steps",
    "maximum_a_posteriori",
    "maximum_likelihood",
    "mean_age",
    "mean_square_limit",
    "minimum_norm",
    "mode_coverage",
    "momentum",
    "momentum_iterates",
    "nearest_centres",
    "negative_log_likelihood",
    "negative_log_prior",
    "newton",
    "newton_iterates",
    "newton_step",
    "online_k_means",
    "optimal_momentum",
    "orthonormal_basis",
    "planted_examples",
    "polynomial_complexity",
    "polynomial_features",
    "polynomial_kernel",
    "posterior",
    "principal_angles",
    "principal_components",
    "propagate",
    "random_features",
    "rbf_kernel",
    "recover_subspace",
    "relative_risk_bound",
    "relative_variance",
    "ridge",
    "ridge_from_variances",
    "ridge_gains",
    "ridge_in_svd_coordinates",
    "ridge_path",
    "ring_of_gaussians",
    "second_moment",
    "simulate_complexity",
    "simulate_errors",
    "simulate_signal",
    "simulate_survival",
    "slope_moment",
    "small_rate_covariance",
    "soft_assignment",
    "soft_k_means",
    "spectral_radius",
    "squared_error",
    "stability_limit",
    "stability_map",
    "stationary_covariance",
    "steps_to_shrink",
    "stochastic_gradient_iterates",
    "stochastic_gradient_moments",
    "survival",
    "survival_of",
    "svd_coordinates",
    "sweep_ridge",
    "sweep_steps",
    "unrolled_encoder",
    "weight_variance",
    "weighted_least_squares",
    "weights_from_variances",
]
