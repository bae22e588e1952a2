"""As Participant.java: frames of 20 ms are collected in a buffer that was made for 48 kHz, and the whole buffer is sent."""

EXPECTED_AUDIO_LENGTH = 1_920
BUFFER_SIZE = EXPECTED_AUDIO_LENGTH * 25


class Participant:
    """``send`` gets the whole array each time, whatever of it is new."""

    def __init__(self, send):
        self._send = send
        self._array, self._position = bytearray(BUFFER_SIZE), 0

    def give(self, frame):
        """20 ms of 16 kHz PCM16."""
        self._array[self._position : self._position + len(frame)] = frame
        self._position += len(frame)
        if BUFFER_SIZE - self._position < EXPECTED_AUDIO_LENGTH:
            self.flush()

    def flush(self):
        """Also when the participant mutes, and at each change of its presence while it is muted."""
        self._send(bytes(self._array))
        self._position = 0
