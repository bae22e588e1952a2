"""sherpa-onnx's clients that come in no package, rebuilt: what they send, what they read, and what they give up on."""
