"""`gpt-image-2-mcp doctor`: looks at everything that can be in the way of a picture, and says the way out."""
