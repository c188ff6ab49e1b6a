// Bookinfo's ratings: stars by reviewer, kept in memory; a POST replaces those of one book.
import { createApp, serve } from './serve.ts';

const app = createApp();
const MAX_BOOKS = 1000;
const added = new Map<number, unknown>();

app.get('/health', () => ({ status: 'Ratings is healthy' }));

app.get<{ Params: { id: string } }>('/ratings/:id', (request, reply) => {
  const id = Number.parseInt(request.params.id, 10);
  if (Number.isNaN(id)) return reply.code(400).send({ error: 'please provide numeric product ID' });
  return ratingsOf(id);
});

// The original reads JSON whatever the content type says.
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));

app.post<{ Params: { id: string }; Body: string }>('/ratings/:id', (request, reply) => {
  const id = Number.parseInt(request.params.id, 10);
  if (Number.isNaN(id)) return reply.code(400).send({ error: 'please provide numeric product ID' });
  try {
    const ratings: unknown = JSON.parse(request.body);
    if (!added.has(id) && added.size >= MAX_BOOKS) return reply.code(507).send({ error: 'too many books' });
    added.set(id, ratings);
  } catch {
    return reply.code(400).send({ error: 'please provide valid ratings JSON' });
  }
  return ratingsOf(id);
});

function ratingsOf(id: number): { id: number; ratings: unknown } {
  return { id, ratings: added.get(id) ?? { Reviewer1: 5, Reviewer2: 4 } };
}

await serve(app, 'ratings');
