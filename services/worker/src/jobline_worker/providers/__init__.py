"""What the pipelines call outside of themselves: a protocol, an HTTP provider and an embedded one each."""
