"""What is published beside the package itself: the bundle, the registry's entry, the container, and their checks."""
