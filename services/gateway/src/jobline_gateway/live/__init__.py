"""What changes, told to thousands of browsers: one watch of the queue service, fanned out as server-sent events."""
