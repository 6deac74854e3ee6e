# entry point: backend_positional:adapter
# plugin: {"name": "jetson"}
from coral_inference.runtime.backends import BackendAdapter as Adapter

adapter = Adapter(
    "jetson",
    lambda platform, config: platform == "jetson",
    lambda platform, config: True,
)
