"""Surface 1, the e-mail queue: `/api/queue` and `/api/email`."""
