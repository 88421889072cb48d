"""The queue monitor: a page for managers and admins, the sign-in that it needs, and the JSON and events that feed it."""
