"""Measures of detections: average precision, operating point, confusion, plots, report."""
