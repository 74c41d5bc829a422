"""What the commands use to build datasets."""
