"""What long lists of films have in common, whatever is made of them: work that is done exactly once."""
