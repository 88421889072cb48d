"""The jobs API: analyses of websites and generated content."""
