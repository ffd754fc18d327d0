"""Figures: one function each, from plain numbers to a Vega-Lite specification."""

from sightline.report.figures.accuracy_by_compute import accuracy_by_compute
from sightline.report.figures.bias_variance import bias_variance
from sightline.report.figures.class_shares import class_shares
from sightline.report.figures.clusters import clusters
from sightline.report.figures.contours import contours
from sightline.report.figures.double_descent import double_descent
from sightline.report.figures.elbow_density import elbow_density
from sightline.report.figures.error_curves import error_curves
from sightline.report.figures.filter_factors import filter_factors
from sightline.report.figures.frequency_response import frequency_response
from sightline.report.figures.latent_map import latent_map
from sightline.report.figures.latent_use import latent_use
from sightline.report.figures.layers_over_time import layers_over_time
from sightline.report.figures.loss_curves import loss_curves
from sightline.report.figures.named_lines import named_lines
from sightline.report.figures.point_clouds import point_clouds
from sightline.report.figures.rates_by_direction import rates_by_direction
from sightline.report.figures.spectra import spectra
from sightline.report.figures.stability_region import stability_region
from sightline.report.figures.values import Band
from sightline.report.figures.variance_by_depth import variance_by_depth

__all__ = [
    "Band",
    "accuracy_by_compute",
    "bias_variance",
    "class_shares",
    "clusters",
    "contours",
    "double_descent",
    "elbow_density",
    "error_curves",
    "filter_factors",
    "frequency_response",
    "latent_map",
    "latent_use",
    "layers_over_time",
    "loss_curves",
    "named_lines",
    "point_clouds",
    "rates_by_direction",
    "spectra",
    "stability_region",
    "variance_by_depth",
]
