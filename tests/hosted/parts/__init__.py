"""What a hosted server works with, one module each, started for the tests on free ports of loopback."""
