"""What is measured of a fitted method, once, for stages and studies alike."""
