// How a text is matched: exactly, by its beginning, or by a regular expression.

import { nonEmpty, regex, regexOrPresence, text } from '../formats.ts';
import { object, optional, type Static } from '../schema.ts';

const STRING_MATCH = ['exact', 'prefix', 'regex'];
const stringMatchFields = { exact: optional(text), prefix: optional(nonEmpty), regex: optional(regex) };

/** An empty match takes whatever is there. */
export const AnyMatch = object(stringMatchFields, { atMostOne: [STRING_MATCH] });
export type StringMatch = Static<typeof AnyMatch>;

/** Of what may be absent: an empty match asks for presence, and so does the expression '*', which is none. */
export const PresenceMatch = object(
  { ...stringMatchFields, regex: optional(regexOrPresence) },
  { atMostOne: [STRING_MATCH] },
);

/** Every path begins with nothing. */
const pathMatchFields = { ...stringMatchFields, prefix: optional(text) };

export const PathMatch = object(pathMatchFields, { exactlyOne: [STRING_MATCH] });
export const UriMatch = object(pathMatchFields, { atMostOne: [STRING_MATCH] });

/** Nothing comes from an empty origin. */
export const OriginMatch = object({ ...stringMatchFields, exact: optional(nonEmpty) }, { exactlyOne: [STRING_MATCH] });
