/** Asks the server, before anyone speaks, which model it has: its notice and its languages belong on the empty page. */

import { decode } from './protocol.js';

/** A server that is still loading its model refuses at first. */
const AGAIN_MS = 3000;

/**
 * @param {string} url of the socket
 * @param {() => string[]} protocols to offer
 * @param {(message: object) => void} dispatch receives `session.created`, or why there is none
 */
export function greet(url, protocols, dispatch) {
  const socket = new WebSocket(url, protocols());
  socket.onclose = () => setTimeout(() => greet(url, protocols, dispatch), AGAIN_MS);
  socket.onmessage = (event) => {
    const message = decode(event.data);
    if (message !== null) dispatch(message);
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(1000);
  };
}
