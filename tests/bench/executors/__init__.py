"""Each executor beside what people would use in its place, in one run: see README.md."""
