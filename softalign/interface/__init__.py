"""What commands share: options, and how results are shown."""
