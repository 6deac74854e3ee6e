register = None
