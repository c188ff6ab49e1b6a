// The demo's browser: gets pages from the gateway, straight, whatever HTTP_PROXY says.
import { Agent, request } from 'node:http';

export interface Page {
  readonly status: number;
  readonly text: string;
  readonly ms: number;
}

/** Idle connections end on their own before the process does. */
const agent = new Agent({ keepAlive: true, maxSockets: 16 });
const TIMEOUT_MS = 20_000;

/** `user`: who is signed in. Rejects when nobody answers. */
export function get(url: string, user = ''): Promise<Page> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const headers = user === '' ? {} : { cookie: `session=${session(user)}` };
    const call = request(url, { agent, headers, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, text, ms: performance.now() - started });
      });
    });
    call.once('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    call.once('error', reject);
    call.end();
  });
}

export function closeBrowser(): void {
  agent.destroy();
}

/** As productpage's login makes it. */
function session(user: string): string {
  return Buffer.from(JSON.stringify({ user })).toString('base64url');
}
