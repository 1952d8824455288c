"""The studio: a page in the chat or the browser to look at pictures, compare, paint masks, edit and choose."""
