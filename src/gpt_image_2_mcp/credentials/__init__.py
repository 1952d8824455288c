"""Where the API key is kept, if it is not in the environment."""
