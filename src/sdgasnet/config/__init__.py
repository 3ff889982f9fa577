"""Recipes: their schema (the only home of defaults), model sizes, loading and overrides."""
