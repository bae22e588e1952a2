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
 * @property {boolean} hidden dismissed; kept so that the same notice does not come back with the next connection
 * @property {boolean} passing goes away by itself when a session opens
 */

/** @param {Line[]} lines @param {object} message @returns {Line[]} */
export function reduceLines(lines, message) {
  switch (message.type) {
    case 'session.created':
      return message.notice ? add(lines, 'notice', message.notice) : lines;
    case 'session.opened':
      return lines.filter((line) => !line.passing);
    case 'warning':
      return add(lines, 'warning', message.message);
    case 'error':
      return message.segment === null ? add(lines, 'error', message.message, { passing: message.fatal }) : lines;
    case 'page.said':
      return add(lines, message.level, message.text);
    case 'page.dismissed':
      return dismiss(lines, message.id);
    case 'page.begun':
      return lines.filter((line) => line.level === 'notice' || line.level === 'warning');
    case 'page.cleared':
      return add(withoutUndo(lines), 'undo', 'The transcript was cleared.');
    case 'page.restored':
      return withoutUndo(lines);
    default:
      return lines;
  }
}

function add(lines, level, text, { passing = false } = {}) {
  if (lines.some((line) => line.text === text)) return lines;
  const id = Math.max(-1, ...lines.map((line) => line.id)) + 1;
  return [...lines, { id, level, text, passing, hidden: false }];
}

function dismiss(lines, id) {
  const line = lines.find((candidate) => candidate.id === id);
  if (line?.level === 'notice' || line?.level === 'warning') {
    return lines.map((candidate) => (candidate === line ? { ...line, hidden: true } : candidate));
  }
  return lines.filter((candidate) => candidate.id !== id);
}

function withoutUndo(lines) {
  return lines.filter((line) => line.level !== 'undo');
}
