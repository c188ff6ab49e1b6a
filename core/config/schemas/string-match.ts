// How a text is matched: exactly, by its beginning, or by a regular expression.

import { nonEmpty, regex, regexOrPresence, text } from '../formats.ts';
import { object, optional, type Static } from '../schema.ts';

const STRING_MATCH = ['exact', 'prefix', 'regex'];
const stringMatchFields = { exact: optional(text), prefix: optional(nonEmpty), regex: optional(regex) };

export const StringMatch = object(stringMatchFields, { exactlyOne: [STRING_MATCH] });
export type StringMatch = Static<typeof StringMatch>;

/** Every path begins with nothing. */
export const PathMatch = object({ ...stringMatchFields, prefix: optional(text) }, { exactlyOne: [STRING_MATCH] });

/** An empty match asks for presence, and so does the expression '*', which is none. */
export const PresenceMatch = object(
  { ...stringMatchFields, regex: optional(regexOrPresence) },
  { atMostOne: [STRING_MATCH] },
);
