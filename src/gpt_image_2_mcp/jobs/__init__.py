"""Paid work that goes on when its caller has left."""
