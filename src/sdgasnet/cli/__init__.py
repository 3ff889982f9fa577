"""Command line: main and one file a verb."""
