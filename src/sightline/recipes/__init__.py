"""Recipes: complete run specifications by name."""

from sightline.recipes import cifar10 as cifar10
from sightline.recipes import depth_study as depth_study
from sightline.recipes import digits as digits
from sightline.recipes import generation as generation
from sightline.recipes import mnist as mnist
from sightline.recipes import text as text
from sightline.recipes.registry import RECIPES
from sightline.recipes.starting_point import starting_point

__all__ = ["RECIPES", "starting_point"]
