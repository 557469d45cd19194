"""Langevin dynamics on the latent vector: its energy, its step, its noise, and the engine that runs it."""
