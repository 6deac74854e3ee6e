# entry point: acme_twice.plugins:register
# not evaluable: `acme_twice.plugins` is both a module and a package
register = None
