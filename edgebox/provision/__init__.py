"""A box's identity on the box itself: getting it, renewing it, putting it away."""
