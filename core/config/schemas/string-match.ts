// How a text is matched: exactly, by its beginning, or by a regular expression.

import { regex, text } from '../formats.ts';
import { object, optional, type Static } from '../schema.ts';

const STRING_MATCH = ['exact', 'prefix', 'regex'];
const stringMatchFields = { exact: optional(text), prefix: optional(text), regex: optional(regex) };

export const StringMatch = object(stringMatchFields, { exactlyOne: [STRING_MATCH] });
export type StringMatch = Static<typeof StringMatch>;

/** An empty match asks for presence. */
export const PresenceMatch = object(stringMatchFields, { atMostOne: [STRING_MATCH] });
