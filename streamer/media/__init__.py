"""Any audio or video to 16 kHz samples: files from end to end, and streams as they arrive. PyAV is loaded on first use."""

from streamer.media.container import ContainerDecoder
from streamer.media.files import FileAudio, decode_file, probe
from streamer.media.track import MediaInfo

__all__ = ["ContainerDecoder", "FileAudio", "MediaInfo", "decode_file", "probe"]
