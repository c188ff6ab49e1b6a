// Bookinfo's reviews, all three versions: v1 without ratings (ENABLE_RATINGS unset), v2 with black stars, v3 with red ones
// (STAR_COLOR). It calls ratings by its name and leaves finding it to whoever HTTP_PROXY is.
import { hostname } from 'node:os';
import type { FastifyRequest } from 'fastify';
import { passedOn } from './forward.ts';
import { createApp, serve } from './serve.ts';

interface Review {
  readonly reviewer: string;
  readonly text: string;
  readonly rating?: { readonly stars: number; readonly color: string } | { readonly error: string };
}

const { env } = process;
const ratingsEnabled = env.ENABLE_RATINGS === 'true';
const starColor = env.STAR_COLOR ?? 'black';
const domain = env.SERVICES_DOMAIN === undefined ? '' : `.${env.SERVICES_DOMAIN}`;
const ratingsUrl = `http://${env.RATINGS_HOSTNAME ?? 'ratings'}${domain}:${env.RATINGS_SERVICE_PORT ?? '9080'}/ratings`;
/** Black stars wait longer than the page that asks for them: the fault-injection task is about finding that out. */
const ratingsTimeoutMs = starColor === 'black' ? 10_000 : 2_500;

const app = createApp();

app.get('/health', () => ({ status: 'Reviews is healthy' }));

app.get<{ Params: { id: string } }>('/reviews/:id', async (request, reply) => {
  const { id } = request.params;
  if (!/^\d+$/.test(id)) return reply.code(404).send();
  const stars = ratingsEnabled ? await ratings(id, request) : null;
  return {
    id,
    podname: env.HOSTNAME ?? hostname(),
    clustername: env.CLUSTER_NAME ?? 'null',
    reviews: [
      review('Reviewer1', 'An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!', stars),
      review(
        'Reviewer2',
        'Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.',
        stars,
      ),
    ],
  };
});

function review(reviewer: string, text: string, stars: Readonly<Record<string, number>> | null): Review {
  if (!ratingsEnabled) return { reviewer, text };
  const own = stars?.[reviewer];
  if (own === undefined) return { reviewer, text, rating: { error: 'Ratings service is currently unavailable' } };
  return { reviewer, text, rating: { stars: own, color: starColor } };
}

async function ratings(id: string, request: FastifyRequest): Promise<Readonly<Record<string, number>> | null> {
  try {
    const response = await fetch(`${ratingsUrl}/${id}`, {
      headers: { ...passedOn(request), accept: 'application/json' },
      signal: AbortSignal.timeout(ratingsTimeoutMs),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      process.stdout.write(`Error: unable to contact ${ratingsUrl} got status of ${response.status}\n`);
      return null;
    }
    return ((await response.json()) as { ratings: Record<string, number> }).ratings;
  } catch (error) {
    process.stderr.write(`Error: unable to contact ${ratingsUrl}: ${error}\n`);
    return null;
  }
}

await serve(app, `reviews (${ratingsEnabled ? `${starColor} stars` : 'no stars'})`);
