"""Tables and figures that the paper has not."""
