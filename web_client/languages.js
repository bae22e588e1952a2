/** Which languages can be chosen: what the wire has, limited to what the model can. */

/** Every code of the wire, as its speakers call it. */
export const LANGUAGES = { auto: 'Automatic', zh: '中文 (Mandarin)', en: 'English', yue: '粵語 (Cantonese)', ja: '日本語', ko: '한국어' };

/**
 * @param {{capabilities: {languages: string[]}} | null} model null before the server has said
 * @returns {string[]} codes; a model of one language leaves no choice
 */
export function offeredLanguages(model) {
  const known = model?.capabilities.languages ?? [];
  const able = Object.keys(LANGUAGES).filter((code) => code === 'auto' || known.length === 0 || known.includes(code));
  return able.length === 2 ? able.slice(1) : able;
}

/** @param {object | null} model @param {string} wanted @returns {string} the wanted language, or the first one offered */
export function effectiveLanguage(model, wanted) {
  const offered = offeredLanguages(model);
  return offered.includes(wanted) ? wanted : offered[0];
}
