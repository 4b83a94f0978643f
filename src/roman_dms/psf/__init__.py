"""Point-spread functions: the optical model, and how it varies over a detector."""
