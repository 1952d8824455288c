"""Which folders and files may be read and written."""
