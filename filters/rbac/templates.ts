// Path templates: {*} is one whole segment, {**} anything, also with slashes. Everything else is itself. Linear but for the
// last {**}, which is moved on a byte at a time; an earlier one never has to be, because the first place where what
// follows it fits leaves the most for the rest.

import { Slice } from '../sdk/slice';

const SLASH: u8 = 0x2f;

export function matchesTemplate(template: Slice, path: Slice): bool {
  let t = 0;
  let p = 0;
  let retryT = -1;
  let retryP = 0;
  while (true) {
    if (t < template.length && opens(template, t)) {
      if (template.at(t + 2) == 0x2a) {
        t += 4;
        retryT = t;
        retryP = p;
        continue;
      }
      const end = segmentEnd(path, p);
      if (end > p) {
        t += 3;
        p = end;
        continue;
      }
    } else if (t < template.length && p < path.length && template.at(t) == path.at(p)) {
      t++;
      p++;
      continue;
    } else if (t == template.length && p == path.length) return true;
    if (retryT < 0 || retryP >= path.length) return false;
    t = retryT;
    p = ++retryP;
  }
}

/** True at {*} and {**}. */
function opens(template: Slice, at: i32): bool {
  const rest = template.length - at;
  if (rest < 3 || template.at(at) != 0x7b || template.at(at + 1) != 0x2a) return false;
  return template.at(at + 2) == 0x7d || (rest > 3 && template.at(at + 2) == 0x2a && template.at(at + 3) == 0x7d);
}

function segmentEnd(path: Slice, from: i32): i32 {
  let at = from;
  while (at < path.length && path.at(at) != SLASH) at++;
  return at;
}
