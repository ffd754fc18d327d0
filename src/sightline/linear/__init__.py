"""Least squares and the theory of its optimisation: float64 functions that return small dataclasses."""

from sightline.linear.squared_error import gradient, hessian, squared_error
from sightline.linear.svd_coordinates import SVDCoordinates, svd_coordinates

__all__ = ["SVDCoordinates", "gradient", "hessian", "squared_error", "svd_coordinates"]
