// Bookinfo's ratings: stars by reviewer; a POST replaces those of one book.
import { keptStars } from './kept-stars.ts';
import { createApp, serve } from './serve.ts';

const app = createApp();
const kept = keptStars(process.env.STARS);

app.get('/health', () => ({ status: 'Ratings is healthy' }));

app.get<{ Params: { id: string } }>('/ratings/:id', async (request, reply) => {
  const id = Number.parseInt(request.params.id, 10);
  if (Number.isNaN(id)) return reply.code(400).send({ error: 'please provide numeric product ID' });
  return reply.send(await ratingsOf(id));
});

// The original reads JSON whatever the content type says.
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));

app.post<{ Params: { id: string }; Body: string }>('/ratings/:id', async (request, reply) => {
  const id = Number.parseInt(request.params.id, 10);
  if (Number.isNaN(id)) return reply.code(400).send({ error: 'please provide numeric product ID' });
  let ratings: unknown;
  try {
    ratings = JSON.parse(request.body);
  } catch {
    return reply.code(400).send({ error: 'please provide valid ratings JSON' });
  }
  if (!(await kept.set(id, JSON.stringify(ratings)))) return reply.code(507).send({ error: 'too many books' });
  return reply.send(await ratingsOf(id));
});

app.setErrorHandler((error: Error, _request, reply) => reply.code(503).send({ error: error.message }));

async function ratingsOf(id: number): Promise<{ id: number; ratings: unknown }> {
  const stars = await kept.get(id);
  return { id, ratings: stars === '' ? { Reviewer1: 5, Reviewer2: 4 } : JSON.parse(stars) };
}

await serve(app, 'ratings');
