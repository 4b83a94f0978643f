"""How well point-spread functions describe stars, or one another."""
