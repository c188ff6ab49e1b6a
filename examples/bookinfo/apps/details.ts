// Bookinfo's details: facts about a book.
import { createApp, serve } from './serve.ts';

const app = createApp();

app.get('/health', () => ({ status: 'Details is healthy' }));

app.get<{ Params: { id: string } }>('/details/:id', (request, reply) => {
  const { id } = request.params;
  if (!/^\d+$/.test(id)) return reply.code(400).send({ error: 'please provide numeric product id' });
  return {
    id: Number(id),
    author: 'William Shakespeare',
    year: 1595,
    type: 'paperback',
    pages: 200,
    publisher: 'PublisherA',
    language: 'English',
    'ISBN-10': '1234567890',
    'ISBN-13': '123-1234567890',
  };
});

await serve(app, 'details');
