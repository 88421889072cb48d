"""The gateway: HTTP JSON in front of the gRPC services."""
