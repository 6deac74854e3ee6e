from . import title


def activate(config):
    return bool(title)
