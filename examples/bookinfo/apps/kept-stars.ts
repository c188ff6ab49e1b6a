// The stars of books, where ratings keeps them: in the store that $STARS names ('127.0.0.1:9081'), else in its own memory.
import { connect } from 'node:net';

export interface KeptStars {
  /** JSON, or '' where nobody has set any. */
  get(book: number): Promise<string>;
  /** False: it is full. */
  set(book: number, stars: string): Promise<boolean>;
}

const MAX_BOOKS = 1000;
const PATIENCE_MS = 2_000;

export function keptStars(place: string | undefined): KeptStars {
  return place === undefined || place === '' ? inMemory() : inStore(place);
}

function inMemory(): KeptStars {
  const kept = new Map<number, string>();
  return {
    get: async (book) => kept.get(book) ?? '',
    set: async (book, stars) => {
      if (!kept.has(book) && kept.size >= MAX_BOOKS) return false;
      kept.set(book, stars);
      return true;
    },
  };
}

/** A connection for each question: whom the mesh lets in is asked each time. */
function inStore(place: string): KeptStars {
  const [host, port] = place.split(':');
  const ask = (line: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect({ host, port: Number(port) }, () => socket.write(`${line}\n`));
      socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('stars does not answer')));
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('stars hung up')));
      socket.on('data', (chunk) => {
        answer += chunk;
        if (!answer.endsWith('\n')) return;
        resolve(answer.trimEnd());
        socket.destroy();
      });
    });
  return {
    get: (book) => ask(`GET ${book}`),
    set: async (book, stars) => (await ask(`SET ${book} ${stars}`)) === 'OK',
  };
}
