// A text as a match asks for it: exactly, by its beginning, by a regular expression, or at all.

import type { StringMatch } from '../config/kinds/virtual-service.ts';
import { compileRegex } from '../config/regex.ts';

/** True for a string that satisfies the match; an empty match means presence, so any string does. */
export function stringTest(match: StringMatch): (text: string) => boolean {
  if (match.exact !== undefined) {
    const { exact } = match;
    return (text) => text === exact;
  }
  if (match.prefix !== undefined) {
    const { prefix } = match;
    return (text) => text.startsWith(prefix);
  }
  // '*' is no expression: Istio takes it for presence.
  if (match.regex !== undefined && match.regex !== '*') {
    const regex = compileRegex(match.regex);
    return (text) => regex.matches(text);
  }
  return () => true;
}
