"""Pictures: reading, resizing for the network, detections and their decoding, drawing."""
