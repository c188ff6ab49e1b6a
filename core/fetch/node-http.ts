// Node's http and https without what their import as ES modules loads: it reads every export, so also the WebSocket of
// undici, which takes 14 MiB and 35 ms of a start.

export const nodeHttp = process.getBuiltinModule('node:http');

export function nodeHttps(): typeof import('node:https') {
  return process.getBuiltinModule('node:https');
}
