"""One file with everything an installation consists of but its keys, and an installation made of it again."""
