NAME = "lens"
