"""Labels that people already have, one reader a file; `reading` has the table of them."""
