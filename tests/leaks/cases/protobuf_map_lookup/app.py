"""Looks flags up, by keys that are missing, in a map of a long-lived message."""

from google.protobuf.struct_pb2 import Struct
from serve import serve

flags = Struct()
flags["default"] = True
KINDS = ("global", "country", "tenant", "user", "device", "build", "channel", "trial")


async def answer(n):
    found = [flags.fields.get(f"feature-{n}-{kind}") for kind in KINDS]
    return {"found": sum(flag is not None for flag in found)}


serve(answer)
