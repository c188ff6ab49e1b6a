// Bookinfo's productpage: the HTML that people look at, and a small JSON API over the other three services.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { passedOn } from './forward.ts';
import { StockClient } from './grpc.ts';
import { type Book, indexPage, productPage, STYLES } from './page.ts';
import { createApp, serve } from './serve.ts';

/** What a service answered, or the text that the page shows instead. */
type Answer = { readonly status: number; readonly body: unknown };

const { env } = process;
const domain = env.SERVICES_DOMAIN === undefined ? '' : `.${env.SERVICES_DOMAIN}`;
const TIMEOUT_MS = 3_000;
const services = {
  details: `http://${env.DETAILS_HOSTNAME ?? 'details'}${domain}:${env.DETAILS_SERVICE_PORT ?? '9080'}/details`,
  reviews: `http://${env.REVIEWS_HOSTNAME ?? 'reviews'}${domain}:${env.REVIEWS_SERVICE_PORT ?? '9080'}/reviews`,
  ratings: `http://${env.RATINGS_HOSTNAME ?? 'ratings'}${domain}:${env.RATINGS_SERVICE_PORT ?? '9080'}/ratings`,
};
const stock = stockClient();
const BOOKS: readonly Book[] = [
  {
    id: 0,
    title: 'The Comedy of Errors',
    descriptionHtml:
      '<a href="https://en.wikipedia.org/wiki/The_Comedy_of_Errors">Wikipedia Summary</a>: The Comedy of Errors is one of ' +
      "<b>William Shakespeare's</b> early plays. It is his shortest and one of his most farcical comedies, with a major part " +
      'of the humour coming from slapstick and mistaken identity, in addition to puns and word play.',
  },
];

const app = createApp();
app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
  done(null, Object.fromEntries(new URLSearchParams(String(body)))),
);

app.get('/', (_request, reply) => html(reply, indexPage()));
app.get('/index.html', (_request, reply) => html(reply, indexPage()));
app.get('/health', (_request, reply) => reply.type('text/plain').send('Product page is healthy'));
app.get('/static/bookinfo.css', (_request, reply) => reply.type('text/css; charset=utf-8').send(STYLES));

app.get('/productpage', async (request, reply) => {
  const headers = callHeaders(request);
  const asked = getCopies(0, headers);
  const [details, reviews] = [await getDetails('0', headers), await getReviews('0', headers)];
  const copies = await asked;
  return html(reply, productPage({ book: BOOKS[0], user: userOf(request), details, reviews, copies }));
});

app.post<{ Body: { username?: string } | undefined }>('/login', (request, reply) => {
  const user = request.body?.username ?? '';
  const session = Buffer.from(JSON.stringify({ user })).toString('base64url');
  return reply.header('set-cookie', `session=${session}; HttpOnly; Path=/; SameSite=Lax`).redirect(back(request));
});

app.get('/logout', (request, reply) =>
  reply.header('set-cookie', ['session=; Path=/; Max-Age=0', 'user=; Path=/; Max-Age=0']).redirect(back(request)),
);

app.get('/api/v1/products', () => BOOKS);
app.get<{ Params: { id: string } }>('/api/v1/products/:id', async (request, reply) =>
  send(reply, await getDetails(request.params.id, callHeaders(request))),
);
app.get<{ Params: { id: string } }>('/api/v1/products/:id/reviews', async (request, reply) =>
  send(reply, await getReviews(request.params.id, callHeaders(request))),
);
app.get<{ Params: { id: string } }>('/api/v1/products/:id/ratings', async (request, reply) =>
  send(reply, await ask(`${services.ratings}/${request.params.id}`, callHeaders(request), 'ratings')),
);

/** What goes along with the calls: traces, and who is signed in. */
function callHeaders(request: FastifyRequest): Record<string, string> {
  const headers = passedOn(request);
  const user = userOf(request);
  if (user !== '') headers['end-user'] = user;
  return headers;
}

/** Who signed in; any name will do, as in the original. */
function userOf(request: FastifyRequest): string {
  const cookies = new Map<string, string>();
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0) cookies.set(pair.slice(0, at).trim(), pair.slice(at + 1).trim());
  }
  const user = sessionUser(cookies.get('session')) ?? cookies.get('user') ?? '';
  // It becomes a header of the calls that this page makes.
  return /^[\x21-\x7e]{1,64}$/.test(user) ? user : '';
}

function sessionUser(session: string | undefined): string | undefined {
  if (session === undefined || session === '') return undefined;
  try {
    const { user } = JSON.parse(Buffer.from(session, 'base64url').toString()) as { user?: unknown };
    return typeof user === 'string' ? user : undefined;
  } catch {
    // Somebody else's cookie of the same name.
    return undefined;
  }
}

/** Where the form was, without leaving this site. */
function back(request: FastifyRequest): string {
  const { referer } = request.headers;
  return referer !== undefined && URL.canParse(referer) ? new URL(referer).pathname : '/productpage';
}

function getDetails(id: string, headers: Record<string, string>): Promise<Answer> {
  return ask(`${services.details}/${id}`, headers, 'details');
}

/** Calls of gRPC go to the sidecar, since fetch speaks no HTTP/2. Null: there is no stock. */
function stockClient(): StockClient | null {
  const authority = `${env.STOCK_HOSTNAME ?? 'stock'}${domain}:${env.STOCK_SERVICE_PORT ?? '9080'}`;
  if (env.STOCK_HOSTNAME !== undefined) return new StockClient(`http://${authority}`, authority);
  return env.HTTP_PROXY === undefined ? null : new StockClient(env.HTTP_PROXY, authority);
}

/** What the page says of them; '': there is no stock. */
async function getCopies(book: number, headers: Record<string, string>): Promise<string> {
  if (stock === null) return '';
  try {
    return `${await stock.copies(book, headers, TIMEOUT_MS)} copies`;
  } catch (error) {
    return `unavailable (${(error as Error).message})`;
  }
}

/** Two tries of three seconds, as in the original: the fault-injection task is about the error that this makes. */
async function getReviews(id: string, headers: Record<string, string>): Promise<Answer> {
  const first = await ask(`${services.reviews}/${id}`, headers, 'reviews');
  return first.status === 200 ? first : ask(`${services.reviews}/${id}`, headers, 'reviews');
}

async function ask(url: string, headers: Record<string, string>, what: string): Promise<Answer> {
  let status = 500;
  try {
    const response = await fetch(encodeURI(url), { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.status === 200) return { status: 200, body: await response.json() };
    status = response.status;
    await response.body?.cancel();
  } catch (error) {
    process.stderr.write(`unable to contact ${url}: ${error}\n`);
  }
  return { status, body: { error: `Sorry, product ${what} are currently unavailable for this book.` } };
}

function send(reply: FastifyReply, { status, body }: Answer): FastifyReply {
  return reply.code(status).send(body);
}

function html(reply: FastifyReply, page: string): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(page);
}

await serve(app, 'productpage');
