"""Generated sound and picture whose highlights are known."""
