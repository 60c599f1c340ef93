"""What the evidence of a run says, as values that the formats render."""
