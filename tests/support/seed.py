"""The seed of the long campaigns, an environment variable that workers inherit."""

SEED = "ROLLBACK_DRILLS_SEED"
