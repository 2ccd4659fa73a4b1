"""Write texts with models: requests in, deltas out. Importing this loads no torch.

The engine that runs real models is `inferencecloud.engine.local.TransformersEngine`.
"""

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.graph import RequestIdTaken, SourcesInCircle, SourceUnknown
from inferencecloud.engine.protocol import AdapterInfo, Engine, ModelInfo, TakesAdapters
from inferencecloud.engine.requests import (
    Alternative,
    Delta,
    EmptyPrompt,
    Finish,
    FinishReason,
    InvalidSampling,
    Message,
    OutputOf,
    Request,
    Resume,
    Role,
    Sampling,
    Segment,
    Text,
    TokenLogprob,
)
from inferencecloud.engine.scripted import Script, ScriptedEngine
from inferencecloud.engine.serial import (
    AdapterNotLoaded,
    EngineClosed,
    GenerationFailed,
    ModelNotLoaded,
)
from inferencecloud.engine.stage import RequestUnknown, Stage
from inferencecloud.evaluation.limits import Limit

__all__ = [
    "AdapterInfo",
    "AdapterNotLoaded",
    "Alternative",
    "Delta",
    "EmptyPrompt",
    "Engine",
    "EngineClosed",
    "EngineError",
    "Finish",
    "FinishReason",
    "GenerationFailed",
    "InvalidSampling",
    "Limit",
    "Message",
    "ModelInfo",
    "ModelNotLoaded",
    "OutputOf",
    "Request",
    "RequestIdTaken",
    "RequestUnknown",
    "Resume",
    "Role",
    "Sampling",
    "Script",
    "ScriptedEngine",
    "Segment",
    "SourceUnknown",
    "SourcesInCircle",
    "Stage",
    "TakesAdapters",
    "Text",
    "TokenLogprob",
]
