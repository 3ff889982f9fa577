"""Labelled pictures: index, formats, check, split, generated surfaces."""
