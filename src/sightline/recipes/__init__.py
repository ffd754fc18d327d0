"""Recipes: complete run specifications by name."""

from sightline.recipes import digits as digits
from sightline.recipes.registry import RECIPES
from sightline.recipes.starting_point import starting_point

__all__ = ["RECIPES", "starting_point"]
