"""L2 to L3: many exposures become one image of a part of the sky."""
