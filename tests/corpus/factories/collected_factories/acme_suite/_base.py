from coral_inference.runtime.plugins import PluginSpec as Spec

__all__ = ["Spec"]
