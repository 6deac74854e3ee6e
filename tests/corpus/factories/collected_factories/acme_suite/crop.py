from ._base import Spec


def register():
    return Spec(name="crop", activate=lambda config: True)
