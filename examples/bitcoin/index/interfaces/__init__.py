"""What the index serves to others."""
