"""Checkpoints made of others: which methods there are, what a merge is, and how it is carried out."""

from inkbloom.checkpoints.merging.merge import BlockDifference, differences, merge
from inkbloom.checkpoints.merging.methods import METHODS, Method
from inkbloom.checkpoints.merging.recipe import MergeRecipe

__all__ = ["METHODS", "BlockDifference", "MergeRecipe", "Method", "differences", "merge"]
