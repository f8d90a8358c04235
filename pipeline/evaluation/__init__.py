"""What an encoder is worth: retrieval, mining, and intervals around the numbers."""
