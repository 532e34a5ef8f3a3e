"""What a released client sent and got, so that later servers can be held against it."""
