import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { freePort } from '../../bench/ports.ts';

const APPS = join(import.meta.dirname, '..', '..', 'examples', 'bookinfo', 'apps');

/** The apps by themselves, without a mesh, calling each other by address. */
suite('bookinfo without a mesh', () => {
  const apps: ChildProcess[] = [];
  let start: (name: string, app: string, env: NodeJS.ProcessEnv) => Promise<ChildProcess>;
  const at: Record<string, string> = {};
  /** The headers that the last call to ratings carried. */
  let seenByRatings: NodeJS.Dict<string | string[]> = {};
  let answer: () => { status: number; body: unknown } = () => ({ status: 200, body: STARS });
  const ratings = createServer((request, response) => {
    seenByRatings = request.headers;
    const { status, body } = answer();
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });

  before(async () => {
    ratings.listen(0, '127.0.0.1');
    await once(ratings, 'listening');
    const ratingsAt = {
      RATINGS_HOSTNAME: '127.0.0.1',
      RATINGS_SERVICE_PORT: String((ratings.address() as AddressInfo).port),
    };
    start = async (name, app, env) => {
      const port = await freePort();
      const child = spawn(process.execPath, [join(APPS, `${app}.ts`)], {
        env: {
          ...process.env,
          NODE_TEST_CONTEXT: undefined,
          FORCE_COLOR: undefined,
          ...env,
          PORT: String(port),
          HOST: '127.0.0.1',
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      apps.push(child);
      await once(child.stdout!, 'data');
      at[name] = `http://127.0.0.1:${port}`;
      return child;
    };
    await Promise.all([
      start('ratings', 'ratings', {}),
      start('details', 'details', {}),
      start('stock', 'stock', {}),
      start('v1', 'reviews', ratingsAt),
      start('v2', 'reviews', { ...ratingsAt, ENABLE_RATINGS: 'true', HOSTNAME: 'reviews-v2-1' }),
      start('v3', 'reviews', { ...ratingsAt, ENABLE_RATINGS: 'true', STAR_COLOR: 'red' }),
    ]);
    await start('productpage', 'productpage', {
      ...ratingsAt,
      STOCK_HOSTNAME: '127.0.0.1',
      STOCK_SERVICE_PORT: new URL(at.stock).port,
      DETAILS_HOSTNAME: '127.0.0.1',
      DETAILS_SERVICE_PORT: new URL(at.details).port,
      REVIEWS_HOSTNAME: '127.0.0.1',
      REVIEWS_SERVICE_PORT: new URL(at.v2).port,
    });
  });
  after(async () => {
    for (const app of apps) app.kill();
    await Promise.all(apps.map((app) => app.exitCode ?? app.signalCode ?? once(app, 'exit')));
    ratings.closeAllConnections();
    ratings.close();
  });

  test('ratings answers its JSON, takes new stars by POST and refuses what is no number', async () => {
    assert.deepEqual(await json(`${at.ratings}/ratings/0`), { id: 0, ratings: { Reviewer1: 5, Reviewer2: 4 } });
    const posted = await json(`${at.ratings}/ratings/7`, { method: 'POST', body: '{"Reviewer1":1}' });
    assert.deepEqual(posted, { id: 7, ratings: { Reviewer1: 1 } });
    assert.deepEqual(await json(`${at.ratings}/ratings/7`), posted);
    assert.equal((await fetch(`${at.ratings}/ratings/x`)).status, 400);
    assert.equal((await fetch(`${at.ratings}/ratings/7`, { method: 'POST', body: '{' })).status, 400);
    assert.deepEqual(await json(`${at.ratings}/health`), { status: 'Ratings is healthy' });
  });

  test('details answers facts about the book', async () => {
    const details = (await json(`${at.details}/details/0`)) as Record<string, unknown>;
    assert.equal(details['ISBN-10'], '1234567890');
    assert.equal(details.author, 'William Shakespeare');
    assert.equal((await fetch(`${at.details}/details/x`)).status, 400);
  });

  test('the versions of reviews differ in their stars: none, black, red, or why there are none', async () => {
    const ratingOf = async (version: string) => {
      const { reviews } = (await json(`${at[version]}/reviews/0`)) as { reviews: { rating?: unknown }[] };
      return reviews.map(({ rating }) => rating);
    };
    answer = () => ({ status: 200, body: STARS });
    assert.deepEqual(await ratingOf('v1'), [undefined, undefined]);
    assert.deepEqual(await ratingOf('v2'), [
      { stars: 3, color: 'black' },
      { stars: 2, color: 'black' },
    ]);
    assert.deepEqual(await ratingOf('v3'), [
      { stars: 3, color: 'red' },
      { stars: 2, color: 'red' },
    ]);
    answer = () => ({ status: 503, body: {} });
    const error = { error: 'Ratings service is currently unavailable' };
    assert.deepEqual(await ratingOf('v2'), [error, error]);
    answer = () => ({ status: 200, body: STARS });
  });

  test('the page has the title, the stars and the texts that scripts look for', async () => {
    const page = await (await fetch(`${at.productpage}/productpage`)).text();
    assert.match(page, /<title>Simple Bookstore App<\/title>/);
    assert.equal(page.match(/<font color="black">/g)?.length, 2);
    assert.equal(page.match(/glyphicon-star"/g)?.length, 5);
    assert.equal(page.match(/glyphicon-star-empty"/g)?.length, 5);
    assert.match(page, /Reviews served by:<\/dt><dd><u>reviews-v2-1</);
    assert.match(page, /William Shakespeare/);
    assert.match(page, /In stock:<\/dt><dd>12 copies</);
  });

  test('who signs in is told to the services as end-user, with the traces, and signs out again', async () => {
    const login = await fetch(`${at.productpage}/login`, {
      method: 'POST',
      body: new URLSearchParams({ username: 'jason', passwd: 'any' }),
      headers: { referer: 'http://elsewhere.example/productpage?u=normal' },
      redirect: 'manual',
    });
    assert.equal(login.status, 302);
    assert.equal(login.headers.get('location'), '/productpage');
    const cookie = login.headers.get('set-cookie')!.split(';')[0];
    const headers = {
      cookie,
      'x-request-id': 'r-1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    };
    const page = await (await fetch(`${at.productpage}/productpage`, { headers })).text();
    assert.match(page, /jason \(<a href="logout">/);
    assert.equal(seenByRatings['end-user'], 'jason');
    assert.equal(seenByRatings['x-request-id'], 'r-1');
    assert.equal(seenByRatings.traceparent, headers.traceparent);
    const logout = await fetch(`${at.productpage}/logout`, { headers, redirect: 'manual' });
    assert.match(logout.headers.getSetCookie()[0], /^session=; .*Max-Age=0/);
    await fetch(`${at.productpage}/productpage`, { headers: { cookie: 'user=%0d%0aevil; session=broken' } });
    assert.equal(seenByRatings['end-user'], '%0d%0aevil');
  });

  test('ratings keeps its stars in the store that it is told of, and says so when that is gone', async () => {
    const stars = await start('stars', 'stars', {});
    const kept = await start('kept', 'ratings', { STARS: new URL(at.stars).host });
    const url = `${at.kept}/ratings/7`;
    assert.deepEqual(await json(url), { id: 7, ratings: { Reviewer1: 5, Reviewer2: 4 } });
    const posted = await fetch(url, { method: 'POST', body: '{"me": 1}' });
    assert.deepEqual(await posted.json(), { id: 7, ratings: { me: 1 } });
    assert.deepEqual(await json(url), { id: 7, ratings: { me: 1 } });
    stars.kill('SIGKILL');
    await once(stars, 'exit');
    assert.equal((await fetch(url)).status, 503);
    kept.kill();
  });

  test('the API passes the answers on, and says what is unavailable', async () => {
    const api = `${at.productpage}/api/v1/products`;
    const [book] = (await json(api)) as { title: string }[];
    assert.equal(book.title, 'The Comedy of Errors');
    assert.deepEqual(await json(`${api}/0/ratings`), STARS);
    answer = () => ({ status: 500, body: {} });
    const failed = await fetch(`${api}/0/ratings`);
    assert.equal(failed.status, 500);
    assert.deepEqual(await failed.json(), { error: 'Sorry, product ratings are currently unavailable for this book.' });
    answer = () => ({ status: 200, body: STARS });
  });
});

const STARS = { id: 0, ratings: { Reviewer1: 3, Reviewer2: 2 } };

async function json(url: string, init?: RequestInit): Promise<unknown> {
  return (await fetch(url, init)).json();
}
