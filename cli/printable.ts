// Text from elsewhere (names, messages, versions of other proxies, what plugins log) as it may go to a terminal: nothing in it
// moves a cursor, sets a title or turns writing around.

/** Controls of ASCII and Latin-1 but tab and line feed, and marks that reorder text (Unicode TR9). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNPRINTABLE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** With what would not be printed written as JSON writes it. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
