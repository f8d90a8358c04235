"""What commands ask of a project: DVC's records, its experiments, its unit costs."""
