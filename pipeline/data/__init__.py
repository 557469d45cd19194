"""Data sets, their files and stand-ins, masks, splits, and the folders of images that stages hand on."""
