"""Generated surfaces with defects and exact boxes."""
