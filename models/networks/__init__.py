"""Generators, encoders, critics and classifiers, and a generator lowered for inference."""
