"""From a scene to images that look like the telescope's, with the truth beside them."""
