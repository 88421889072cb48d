"""What a page says about a business, for whom it works and how to speak to them: the four steps' questions and answers."""
