"""From a trained model to what runs at the line."""
