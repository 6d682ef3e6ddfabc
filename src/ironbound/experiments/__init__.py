"""Published tables and figures, repeated: one TOML file each in `experiments/`, for `ironbound reproduce`."""
