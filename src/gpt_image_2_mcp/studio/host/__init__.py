"""The studio in the browser: a host of the page on a loopback address, for the person at this computer alone."""
