"""Every other row of the tables: a module for each family of methods."""
