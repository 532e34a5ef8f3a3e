"""What a run read, ran and wrote, by digest: made, signed, and verified. Nothing here needs a server or a database."""
