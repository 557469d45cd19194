"""Speed against named rivals, measured by hand."""
