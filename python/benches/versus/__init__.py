"""What peers.py does: comparing ndstash with its peers, and telling the result."""
