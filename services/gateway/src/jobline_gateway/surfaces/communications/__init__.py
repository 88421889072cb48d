"""Surface 2, the communication queue: messages to customers, below `/api/businesses/{businessId}`."""
