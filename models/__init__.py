"""The methods: the paper's, its rivals, and what they are made of."""
