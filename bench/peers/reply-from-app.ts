// The process of the reply-from peer: every request goes to one upstream, its body streamed as it came.
// node reply-from-app.ts PORT UPSTREAM

import replyFrom from '@fastify/reply-from';
import fastify from 'fastify';

const [port, upstream] = process.argv.slice(2);
const app = fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
app.register(replyFrom, { base: upstream, undici: { connections: 128, pipelining: 1 } });
app.all('*', (_request, reply) => {
  reply.from();
  return reply;
});
await app.listen({ host: '127.0.0.1', port: Number(port) });
