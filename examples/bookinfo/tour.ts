// `npm run demo -- --check`: the tour through the mesh, each stop with what was expected and what was seen.
import { get, type Page } from './browser.ts';

export interface Tour {
  /** Of productpage, through the gateway. */
  readonly page: string;
  /** Applies files of config/ and waits until every proxy runs them. */
  apply(...files: string[]): Promise<void>;
  delete(...files: string[]): Promise<void>;
}

export interface Stop {
  readonly title: string;
  readonly ok: boolean;
  readonly seen: string;
  readonly ms: number;
}

/** Throws when a stop is not what it should be, saying what was seen instead. */
type Walk = (tour: Tour) => Promise<string>;

const STOPS: readonly (readonly [string, Walk])[] = [
  ['all users on reviews v1', allOnV1],
  ['jason on v2, others on v1', jasonOnV2],
  ['stars by TCP, refused, then not', starsByTcp],
  ['copies by gRPC, refused, then not', copiesByGrpc],
  ['reviews 50 % v1, 50 % v3', halfAndHalf],
  ['7 s delay in ratings for jason', delay],
  ['ratings aborted with 500 for jason', abort],
  ['details refuses productpage, then not', authorization],
  ['rules swapped under load', reload],
];

const REVIEWS_ERROR = 'Sorry, product reviews are currently unavailable for this book.';
const RATINGS_ERROR = 'Ratings service is currently unavailable';
const DETAILS_ERROR = 'Sorry, product details are currently unavailable for this book.';

/** Goes to every stop, also after one that failed; calls back after each. */
export async function walk(tour: Tour, onStop: (stop: Stop) => void): Promise<boolean> {
  let ok = true;
  for (const [title, visit] of STOPS) {
    const started = performance.now();
    const stop = await visit(tour).then(
      (seen) => ({ ok: true, seen }),
      (error: Error) => ({ ok: false, seen: error.message }),
    );
    ok &&= stop.ok;
    onStop({ title, ...stop, ms: performance.now() - started });
  }
  return ok;
}

async function allOnV1({ page, apply }: Tour): Promise<string> {
  await apply('subsets.yaml', 'reviews-v1.yaml');
  for (let n = 0; n < 20; n++) expectStars(await get(page), 'no stars');
  return '20 of 20 pages without stars';
}

async function jasonOnV2({ page, apply }: Tour): Promise<string> {
  await apply('reviews-jason-v2.yaml');
  for (let n = 0; n < 10; n++) {
    expectStars(await get(page, 'jason'), 'black');
    expectStars(await get(page), 'no stars');
  }
  return '10 of 10 black stars for jason, 10 of 10 pages without for others';
}

/** ratings keeps its stars in what speaks no HTTP, and knows its callers all the same. */
async function starsByTcp({ page, apply, delete: remove }: Tour): Promise<string> {
  await apply('stars-deny-ratings.yaml');
  const denied = await get(page, 'jason');
  if (!denied.text.includes(RATINGS_ERROR))
    throw new Error(`jason did not see "${RATINGS_ERROR}" but ${stars(denied)}`);
  await remove('stars-deny-ratings.yaml');
  expectStars(await get(page, 'jason'), 'black');
  return `"${RATINGS_ERROR}" for jason, and his black stars again`;
}

/** productpage asks stock in gRPC; a rule refuses one method of it, in gRPC's own way. */
async function copiesByGrpc({ page, apply, delete: remove }: Tour): Promise<string> {
  const copies = copiesOn(await get(page));
  if (copies !== '12 copies') throw new Error(`a page showed "${copies}"`);
  await apply('stock-deny-productpage.yaml');
  const denied = copiesOn(await get(page));
  if (denied !== 'unavailable (gRPC status 7: RBAC: access denied)')
    throw new Error(`the denied page showed "${denied}"`);
  await remove('stock-deny-productpage.yaml');
  const lifted = copiesOn(await get(page));
  if (lifted !== copies) throw new Error(`the page showed "${lifted}" when nobody refused any more`);
  return `"${copies}", "${denied}", and the copies again`;
}

async function halfAndHalf({ page, apply }: Tour): Promise<string> {
  await apply('reviews-50-v3.yaml');
  const pages = 100;
  let red = 0;
  for (let n = 0; n < pages; n++) if (expectStars(await get(page), 'no stars', 'red') === 'red') red++;
  const seen = `${red} of ${pages} pages with red stars`;
  // Four standard deviations.
  if (red < 30 || red > 70) throw new Error(`${seen}, expected 30 to 70`);
  return seen;
}

async function delay({ page, apply }: Tour): Promise<string> {
  await apply('reviews-jason-v2.yaml', 'ratings-delay.yaml');
  const [jason, other] = await Promise.all([get(page, 'jason'), get(page)]);
  expectStars(other, 'no stars');
  if (!jason.text.includes(REVIEWS_ERROR)) throw new Error(`jason did not see "${REVIEWS_ERROR}" but ${stars(jason)}`);
  if (jason.ms < 5_500) throw new Error(`jason waited only ${jason.ms.toFixed(0)} ms for two tries of 3 s`);
  return `"${REVIEWS_ERROR}" after ${(jason.ms / 1000).toFixed(1)} s; others in ${other.ms.toFixed(0)} ms`;
}

async function abort({ page, apply }: Tour): Promise<string> {
  await apply('ratings-abort.yaml');
  const jason = await get(page, 'jason');
  if (!jason.text.includes(RATINGS_ERROR)) throw new Error(`jason did not see "${RATINGS_ERROR}" but ${stars(jason)}`);
  expectStars(await get(page), 'no stars');
  return `"${RATINGS_ERROR}" for jason`;
}

async function authorization({ page, apply, delete: remove }: Tour): Promise<string> {
  await apply('details-deny-productpage.yaml');
  const denied = await get(page);
  if (!denied.text.includes(DETAILS_ERROR)) throw new Error('the denied page still shows the details');
  await remove('details-deny-productpage.yaml');
  const lifted = await get(page);
  if (!lifted.text.includes('Book Details')) throw new Error('the details did not come back');
  return `"${DETAILS_ERROR}", and the details again`;
}

async function reload({ page, apply, delete: remove }: Tour): Promise<string> {
  await remove('ratings-abort.yaml');
  const clients = 6;
  const swaps = 12;
  let requests = 0;
  let swapping = true;
  const failures: string[] = [];
  const client = async (): Promise<void> => {
    while (swapping && failures.length < 10) {
      requests++;
      const failure = await get(page).then(
        ({ status, text }) =>
          status !== 200 || text.includes('unavailable') ? `status ${status}: ${said(text)}` : null,
        (error: Error) => error.message,
      );
      if (failure !== null) failures.push(failure);
    }
  };
  const load = Array.from({ length: clients }, client);
  try {
    for (let n = 0; n < swaps; n++) await apply(n % 2 === 0 ? 'reviews-v1.yaml' : 'reviews-50-v3.yaml');
  } finally {
    swapping = false;
    await Promise.all(load);
  }
  if (failures.length > 0) throw new Error(`${failures.length} of ${requests} requests failed: ${failures[0]}`);
  return `${requests} requests during ${swaps} changes, 0 failed`;
}

type Stars = 'no stars' | 'black' | 'red';

/** What the page shows, if it is one of these. */
function expectStars(page: Page, ...expected: Stars[]): Stars {
  const seen = stars(page);
  if ((expected as string[]).includes(seen)) return seen as Stars;
  throw new Error(`a page showed ${seen}, expected ${expected.join(' or ')}`);
}

function stars({ status, text }: Page): string {
  if (status !== 200) return `status ${status}: ${text.slice(0, 200)}`;
  if (!text.includes('Book Reviews') || text.includes(RATINGS_ERROR)) return `"${said(text)}"`;
  return /<font color="(\w+)">/.exec(text)?.[1] ?? 'no stars';
}

function copiesOn({ text }: Page): string {
  return /<dt>In stock:<\/dt><dd>([^<]*)</.exec(text)?.[1] ?? said(text);
}

/** The error that a page shows. */
function said(text: string): string {
  return /(Sorry, product [^<]*|Ratings service [^<]*)/.exec(text)?.[1] ?? text.slice(0, 120);
}
