"""The REST surfaces, one folder each."""
