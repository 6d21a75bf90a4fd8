"""Is the box well, and what a technician may see of it: self-test, history, bundle, session."""
