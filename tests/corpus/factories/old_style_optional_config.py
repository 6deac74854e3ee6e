# entry point: old_style_optional_config:enable
# plugin: {"name": "entry-point-name"}
def enable(config=None, *, verbose: bool = False, **options):
    if verbose:
        print(options)
    return config is not None
