"""What the example adds to Bitcoin Core's interfaces."""
