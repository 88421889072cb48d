"""Reading one web page: from its bytes to facts, and from the facts to its calls to action."""
