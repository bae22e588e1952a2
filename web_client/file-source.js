/** A file's side of a connection: its bytes as they are, piece by piece. A new session begins again at the first byte. */

/** Bytes per message: below any server's limit, and small enough for even progress. */
export const PIECE_BYTES = 32 * 1024;

export class FileSource {
  /** How far into the file the server's answers reach. */
  answeredMs = 0;
  #position = 0;
  /** No more audio will come. */
  isEnded = false;

  /**
   * @param {Blob} file
   * @param {number} baseMs where in the transcript it begins
   */
  constructor(file, baseMs) {
    this.file = file;
    this.baseMs = baseMs;
    this.format = { format: 'container' };
  }

  get finished() {
    return this.isEnded || this.#position >= this.file.size;
  }

  /** How much has been handed out, 0 to 1. */
  get progress() {
    return this.file.size === 0 ? 1 : this.#position / this.file.size;
  }

  /** The rest is not wanted. */
  end() {
    this.isEnded = true;
  }

  /** @returns {number} its place in the transcript, in ms */
  rewind() {
    this.#position = 0;
    this.answeredMs = 0;
    return this.baseMs;
  }

  /** The running session goes on. @param {number} bytes that the server has of it @returns {boolean} */
  seek(bytes) {
    this.#position = bytes;
    return true;
  }

  /** @returns {Promise<ArrayBuffer | null>} rejects when the file has become unreadable */
  async next() {
    if (this.finished) return null;
    const piece = this.file.slice(this.#position, this.#position + PIECE_BYTES);
    this.#position += piece.size;
    return piece.arrayBuffer();
  }

  /** @param {object} message from the server. Nothing is let go of: a container cannot be entered in its middle. */
  heard(message) {
    if (message.type === 'final') this.answeredMs = Math.max(this.answeredMs, message.end_ms);
    if (message.type === 'heartbeat') this.answeredMs = Math.max(this.answeredMs, message.processed_ms);
  }
}
