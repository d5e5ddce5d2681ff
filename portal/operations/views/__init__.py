"""Pages and answers about the portal itself."""
