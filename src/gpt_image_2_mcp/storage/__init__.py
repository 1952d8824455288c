"""Files on the disk: where pictures are written, and how."""
