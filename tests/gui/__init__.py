"""The page of the example: its process, and the page itself in a real browser."""
