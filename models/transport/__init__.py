"""Optimal transport of the inferred latents to the prior: problem -> solver -> map."""
