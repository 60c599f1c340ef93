"""Where a stack runs; the only place that knows."""
