/**
 * Sentences for the reader that are not transcript: notices, warnings, errors. Pure, a part of the reducer.
 *
 * Besides the server's messages it knows `page.said {level, text}`, `page.dismissed {id}`, `page.begun`, `page.cleared`, `page.restored`.
 */

/**
 * @typedef {object} Line
 * @property {number} id
 * @property {'notice' | 'warning' | 'error' | 'undo'} level
 * @property {string} text
 * @property {boolean} lasting said with every connection: once dismissed it is hidden for good, instead of forgotten
 * @property {boolean} hidden
 * @property {boolean} passing goes away by itself when a session opens
 */

/** @param {Line[]} lines @param {object} message @returns {Line[]} */
export function reduceLines(lines, message) {
  switch (message.type) {
    case 'session.created':
      return message.notice ? add(lines, 'notice', message.notice, { lasting: true }) : lines;
    case 'session.opened':
    case 'session.resumed':
      return lines.filter((line) => !line.passing);
    case 'warning':
      return add(lines, 'warning', message.message, { lasting: true });
    case 'error':
      return message.segment === null ? add(lines, 'error', message.message, { passing: message.fatal }) : lines;
    case 'page.said':
      return add(lines, message.level, message.text);
    case 'page.dismissed':
      return dismiss(lines, message.id);
    case 'page.begun':
      return lines.filter((line) => line.lasting);
    case 'page.cleared':
      return add(withoutUndo(lines), 'undo', 'The transcript was cleared.');
    case 'page.restored':
      return withoutUndo(lines);
    default:
      return lines;
  }
}

function add(lines, level, text, { passing = false, lasting = false } = {}) {
  if (lines.some((line) => line.text === text && line.level === level)) return lines;
  const id = Math.max(-1, ...lines.map((line) => line.id)) + 1;
  return [...lines.filter((line) => line.text !== text), { id, level, text, passing, lasting, hidden: false }];
}

function dismiss(lines, id) {
  return lines.filter((line) => line.id !== id || line.lasting).map((line) => (line.id === id ? { ...line, hidden: true } : line));
}

function withoutUndo(lines) {
  return lines.filter((line) => line.level !== 'undo');
}
