"""The `jobline` command: what operators and developers type.

`main` wires it; `tokens` and `settings_catalog` need neither typer nor rich and may be imported by tests and tools.
"""
