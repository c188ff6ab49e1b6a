// What the four Bookinfo apps have in common: a Fastify server on $HOST:$PORT that stops when it is told to.
import Fastify, { type FastifyInstance } from 'fastify';

/** `name` as /health and the log say it: 'Ratings'. */
export function createApp(): FastifyInstance {
  return Fastify({ logger: false, forceCloseConnections: 'idle' });
}

/** Listens where the environment says (port 9080 on loopback by default) and ends on SIGTERM or SIGINT. */
export async function serve(app: FastifyInstance, name: string): Promise<void> {
  const port = Number(process.env.PORT ?? 9080);
  const host = process.env.HOST ?? '127.0.0.1';
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void app.close());
  await app.listen({ port, host });
  process.stdout.write(`${name} listens on http://${host}:${port}\n`);
}
