"""The corpus formats, a file each; whatever else is to be known of one stands in its file."""
