"""What a run will cost: unit costs measured here, and the formulas that make time, disk, memory and network of them."""
