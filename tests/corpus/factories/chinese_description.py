# entry point: chinese_description:register
# plugin: {"name": "摄像头稳定", "description": "提高摄像头画面的稳定性"}
from coral_inference.runtime.plugins import PluginSpec


def 激活(config):
    return True


def register():
    return PluginSpec(name="摄像头稳定", activate=激活, description="提高摄像头画面的稳定性")
