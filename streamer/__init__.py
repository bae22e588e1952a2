"""Live transcription server: rich text while people are still speaking."""

__version__ = "0.1.0"
