"""Detection with a trained model: session protocol and the one detector."""
