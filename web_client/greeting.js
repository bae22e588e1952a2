/** Asks the server, before anyone speaks, which model it has: its notice and its languages belong on the empty page. */

import { decode } from './protocol.js';

/** @param {string} url of the socket @param {(message: object) => void} dispatch receives `session.created`, or why there is none */
export function greet(url, dispatch) {
  const socket = new WebSocket(url);
  socket.onmessage = (event) => {
    const message = decode(event.data);
    if (message !== null) dispatch(message);
    socket.onmessage = null;
    socket.close(1000);
  };
}
