"""What the commands build datasets with."""
