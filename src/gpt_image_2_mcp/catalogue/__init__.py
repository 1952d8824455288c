"""The index of everything made: what is known of a picture, its record beside it, and the tables that find it again."""
