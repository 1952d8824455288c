"""Takes out of texts that leave the process what must not: secrets, and what steers a terminal or hides words."""
