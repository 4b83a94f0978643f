"""Where the simulation meets products, references and the sky."""
