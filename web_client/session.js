/**
 * One WebSocket from `session.created` or `session.resumed` to its end: start, audio with back-pressure, stop, and a watch over its silence.
 * What comes after its end is the connection's business (connection.js).
 */

import { decode, encodeConfigure, encodeKeepalive, encodeStart, encodeStop } from './protocol.js';
import { Ticket } from './ticket.js';

/** The server's heartbeat comes every few seconds; without any word for this long the network is gone, whatever the socket says. */
export const SILENCE_MS = 12_000;
/** Well below any server's idle limit. */
const KEEPALIVE_MS = 10_000;
const WATCH_MS = 1_000;
/** Bytes in the browser's own send buffer beyond which we wait: 8 s of audio. */
const HIGH_WATER_BYTES = 256 * 1024;
const DRAIN_MS = 20;
/** Errors that the same audio would meet again. */
const HOPELESS = new Set(['invalid_audio', 'invalid_setting', 'unexpected_message', 'too_many_errors']);
const CLOSED_TOO_BIG = 1009;
/** How a socket ends that was lost; with any other code the server has ended the session. */
const CLOSED_ABNORMALLY = 1006;

export class Session {
  #configured = false;
  #stopSent = false;
  #pumping = false;
  /** `push` was called since the source was last asked. */
  #news = false;
  #hopeless = false;
  #over = false;
  /** The server has said its first word. */
  isGreeted = false;
  #heardAt = performance.now();
  #sentAt = performance.now();

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {object} options.source a MicrophoneSource or FileSource
   * @param {() => object} options.settings fields of `start` beside the format
   * @param {() => string[]} [options.protocols] subprotocols to offer
   * @param {(message: object) => void} options.tell receives the server's messages, `session.opened`, `page.phase` and `page.said`
   * @param {(outcome: 'finished' | 'refused' | 'lost') => void} options.onEnd called once, unless `close` was
   * @param {Ticket | null} [options.ticket] of a session that is to be gone on with
   * @param {typeof WebSocket} [options.Socket]
   */
  constructor({ url, source, settings, tell, onEnd, protocols = () => [], ticket = null, Socket = WebSocket }) {
    Object.assign(this, { source, settings, tell, onEnd, ticket });
    this.socket = new Socket(ticket === null ? url : ticket.address(url), protocols());
    this.socket.onmessage = (event) => this.#receive(event.data);
    this.socket.onclose = (event) => this.#closed(event.code);
    this.watch = setInterval(() => this.#look(), WATCH_MS);
  }

  /** The server has agreed to `start`, and audio flows. */
  get isRunning() {
    return this.#configured && !this.#over;
  }

  /** The source has something new. Sends until it has nothing more; after its last piece, `stop`. */
  async push() {
    this.#look();
    this.#news = true;
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.isRunning && !this.#stopSent) {
      if (this.socket.bufferedAmount > HIGH_WATER_BYTES) {
        await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
        continue;
      }
      this.#news = false;
      const piece = await this.#nextPiece();
      if (this.#over || (piece === null && !this.#news)) break;
      if (piece !== null) this.#send(piece);
    }
    this.#pumping = false;
    if (this.isRunning && !this.#stopSent && this.source.finished) this.#stop();
  }

  /** @param {object} changes fields of `configure` */
  configure(changes) {
    if (this.isRunning && !this.#stopSent) this.#send(encodeConfigure(changes));
    else if (!this.isGreeted) this.ticket?.note(encodeConfigure(changes));
  }

  /** Lets go without waiting for the socket: on a dead network its closing takes minutes. */
  close() {
    this.#letGo();
    this.socket.close();
  }

  /** Leaves the socket as it is: closing it would tell the server, if it hears that, that nobody will come back. */
  #letGo() {
    this.#over = true;
    clearInterval(this.watch);
  }

  #receive(data) {
    if (this.#over) return;
    this.#heardAt = performance.now();
    const message = decode(data);
    if (message === null) return;
    this.isGreeted = true;
    if (message.type === 'session.created') this.ticket = Ticket.of(message);
    if (message.type === 'session.resumed') return this.#resume(message);
    if (this.ticket?.isNews(message) === false) return;
    this.source.heard(message);
    this.tell(message);
    if (message.type === 'session.created') this.#start();
    else if (message.type === 'session.configured') this.#configure();
    else if (message.type === 'error') this.#fail(message);
    else if (message.type === 'closed') this.#goodbye(message);
  }

  #start() {
    this.tell({ type: 'session.opened', offset_ms: this.source.rewind() });
    this.#send(encodeStart({ ...this.source.format, ...this.settings(), resume: true }));
  }

  /** Goes on: what the server does not have is sent again, before all that is new. */
  #resume(message) {
    const lost = this.ticket.takeBack(message.received_messages);
    if (!this.source.seek(message.received_bytes)) {
      this.ticket = null;
      return this.#end('lost');
    }
    this.tell(message);
    for (const text of lost) if (text !== encodeStop() && text !== encodeKeepalive()) this.#send(text);
    this.#stopSent = this.ticket.hasSent(encodeStop());
    this.#configured = this.ticket.configured;
    return this.push();
  }

  #configure() {
    this.#configured = true;
    if (this.ticket !== null) this.ticket.configured = true;
    this.push();
  }

  #goodbye({ reason }) {
    this.ticket = null;
    if (reason === 'stop') this.#end('finished');
  }

  #closed(code) {
    if (this.isGreeted && code !== CLOSED_ABNORMALLY) this.ticket = null;
    this.#end(this.#hopeless || code === CLOSED_TOO_BIG ? 'refused' : 'lost');
  }

  #fail({ code, fatal }) {
    if (!HOPELESS.has(code)) return;
    if (fatal) this.#hopeless = true;
    else if (!this.#configured) this.#end('refused'); // our `start` had no effect, and would have none the next time
  }

  #end(outcome) {
    if (this.#over) return;
    if (this.ticket === null || !this.isGreeted) this.close();
    else this.#letGo();
    this.onEnd(outcome);
  }

  #look() {
    const now = performance.now();
    if (now - this.#heardAt > SILENCE_MS) this.#end('lost');
    else if (this.isRunning && now - this.#sentAt > KEEPALIVE_MS) this.#send(encodeKeepalive());
  }

  async #nextPiece() {
    try {
      return await this.source.next();
    } catch (error) {
      this.source.end();
      this.tell({ type: 'page.said', level: 'error', text: `The file could not be read to its end (${error.message}). Choose it again.` });
      return null;
    }
  }

  #stop() {
    this.#stopSent = true;
    this.#send(encodeStop());
    this.tell({ type: 'page.phase', name: 'finishing' });
  }

  #send(data) {
    this.#sentAt = performance.now();
    if (typeof data === 'string') this.ticket?.note(data);
    if (this.socket.readyState === 1) this.socket.send(data);
  }
}
