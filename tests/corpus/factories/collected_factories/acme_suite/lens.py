from ._base import Spec

plugin = Spec(name="lens", activate=lambda config: True)
