"""What commands do with a project: its artifacts, its results, DVC's records, its experiments, its unit costs."""
