"""What the speed claims rest on: `python -m benchmarks`, `python -m benchmarks.soak`, and measurements of parts."""
