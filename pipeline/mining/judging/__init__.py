"""What mined pairs are worth: thresholds, controls, planted pairs, BUCC's measure, what approximation cost."""
