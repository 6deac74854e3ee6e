NAME = "denoise"
MIN_CORE = "0.0.4"
