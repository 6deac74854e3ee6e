"""Import modules and load libraries that files list, and print the milliseconds of each.

Arguments: the listing of modules, the listing of libraries.
"""

import sys
from time import perf_counter


def main() -> None:
    with open(sys.argv[1]) as listing:
        modules = listing.read().split()
    with open(sys.argv[2]) as listing:
        libraries = listing.read().split()
    started = perf_counter()
    for module in modules:
        __import__(module)
    imported = perf_counter()
    if libraries:
        import ctypes

        for library in libraries:
            ctypes.CDLL(library)
    loaded = perf_counter()
    print((imported - started) * 1e3, (loaded - imported) * 1e3)


main()
