"""What caps and cancellations take, over real engines."""
