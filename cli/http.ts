// HTTP calls to our own parts, the API and proxies' admin: straight to their address, whatever HTTP_PROXY says, because a
// shell may itself run behind a sidecar.
import type { IncomingMessage } from 'node:http';
import { nodeHttp, nodeHttps } from '../core/fetch/node-http.ts';
import { CliError, EXIT } from './exit.ts';

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes are sent as a WASM module, anything else as JSON. */
  readonly body?: unknown;
  /** Without an answer for this long it is unreachable. Default 30 s. */
  readonly timeoutMs?: number;
  /** Of https: whose certificates it is below, in PEM. Default: those that Node trusts. */
  readonly ca?: string;
  /** Of https: who asks, in PEM. */
  readonly cert?: string;
  readonly key?: string;
  /** Who is called, for the error: 'control plane'. */
  readonly who: string;
}

export interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
  readonly text: string;
}

const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
/** One call, one connection, and no proxy from the environment. */
const DIRECT = new nodeHttp.Agent({ keepAlive: false });

/** Throws CliError (unreachable) when nobody answers. */
export function call(
  url: string,
  { method = 'GET', headers, body, timeoutMs = 30_000, ca, cert, key, who }: Call,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    if (!URL.canParse(url)) {
      reject(new CliError(`the address of the ${who} is none: ${url}`, EXIT.usage));
      return;
    }
    const target = new URL(url);
    const unreachable = (why: string): void =>
      reject(new CliError(`${who} not reachable at ${target.origin}: ${why}`, EXIT.unreachable));
    const raw = body instanceof Uint8Array;
    const payload = body === undefined ? undefined : raw ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
    const type = raw ? 'application/wasm' : 'application/json';
    const options = {
      method,
      headers: {
        ...headers,
        ...(payload === undefined ? {} : { 'content-type': type, 'content-length': payload.length }),
      },
      timeout: timeoutMs,
    };
    const onAnswer = (response: IncomingMessage): void => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) request.destroy(new Error('the answer is too large'));
        else chunks.push(chunk);
      });
      response.once('error', (error) => unreachable(error.message));
      response.once('end', () => {
        const bytes = Buffer.concat(chunks);
        resolve({ status: response.statusCode ?? 0, bytes, text: bytes.toString() });
      });
    };
    const request =
      target.protocol === 'https:'
        ? nodeHttps().request(target, { ...options, ca, cert, key, agent: false }, onAnswer)
        : nodeHttp.request(target, { ...options, agent: DIRECT }, onAnswer);
    request.once('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    request.once('error', (error: NodeJS.ErrnoException) => unreachable(error.message || error.code || 'failed'));
    request.end(payload);
  });
}
