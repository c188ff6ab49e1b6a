// The value of a Date field, made once a second.

let lastSecond = 0;
let lastText = '';

/** `ms`: since the epoch. 'Sun, 06 Nov 1994 08:49:37 GMT' (RFC 9110 5.6.7). */
export function httpDate(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastText = new Date(second * 1000).toUTCString();
  }
  return lastText;
}
