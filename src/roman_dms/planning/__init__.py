"""Programs, pointing plans and visits."""
