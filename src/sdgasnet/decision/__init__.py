"""OK or NG: rules, and the verdict on a picture or part that follows from them."""
