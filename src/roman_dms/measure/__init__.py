"""Sources on an image: background, detection, deblending, photometry, shapes; arrays in and out."""
