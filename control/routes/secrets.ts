// Routes of secrets: in, listed and out. None of them tells what one is.

import { checkIn, mayIn } from '../access/permissions.ts';
import { ERRORS } from '../schemas.ts';
import type { Secrets } from '../secrets.ts';
import { Type } from '../shapes.ts';
import type { App } from './app.ts';

const Name = Type.String({
  pattern: '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$',
  description: 'Lower-case letters, digits, dots and dashes',
});
const Namespace = Type.String({ pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' });
const Pem = Type.Optional(Type.String({ maxLength: 64 * 1024, description: 'PEM' }));
const Place = Type.Object({ namespace: Namespace, name: Name });
const ABOUT = {
  type: Type.Enum(['tls', 'cacert']),
  changedAt: Type.String(),
  changedBy: Type.String(),
  identity: Type.String({ description: 'For whom its certificate is' }),
  notAfter: Type.Union([Type.String(), Type.Null()]),
  serviceAccounts: Type.Array(Type.String(), { description: 'Who of the namespace may have it; none: every one' }),
};
const Report = Type.Object({ namespace: Type.String(), name: Type.String(), ...ABOUT }, { title: 'Secret' });

/** As it lies in NATS, and in a backup. */
export const SealedSecret = Type.Object(
  {
    namespace: Namespace,
    name: Name,
    about: Type.Object(ABOUT, { additionalProperties: false }),
    sealed: Type.Object(
      { iv: Type.String(), tag: Type.String(), data: Type.String() },
      { additionalProperties: false, description: 'AES-256-GCM, in base64' },
    ),
  },
  { title: 'SealedSecret', additionalProperties: false },
);

export function secretRoutes(app: App, secrets: Secrets, onLog: (line: string) => void): void {
  app.get(
    '/v1/secrets',
    {
      schema: {
        summary: 'Keys and certificates by name, but what they are',
        tags: ['secrets'],
        response: { 200: Type.Array(Report), ...ERRORS },
      },
    },
    async ({ caller }) => {
      const all = await secrets.list();
      const seen = all.filter(({ namespace }) => mayIn(caller, 'viewer', namespace));
      return seen.map((each) => ({ ...each, serviceAccounts: [...each.serviceAccounts] }));
    },
  );

  app.put(
    '/v1/secrets/:namespace/:name',
    {
      schema: {
        summary: 'Keep a key with its certificate, or whom to believe, for the gateways whose Gateways name it',
        tags: ['secrets'],
        params: Place,
        body: Type.Object(
          {
            cert: Pem,
            key: Pem,
            ca: Pem,
            crl: Pem,
            serviceAccounts: Type.Optional(Type.Array(Name, { maxItems: 100 })),
          },
          { additionalProperties: false },
        ),
        response: { 200: Report, ...ERRORS },
      },
    },
    async ({ params, body: { cert = '', key = '', ca = '', crl = '', serviceAccounts = [] }, caller }) => {
      const { namespace, name } = params;
      checkIn(caller, 'operator', namespace, `keep the secret ${namespace}/${name}`);
      const made = await secrets.put(params, { cert, key, ca, crl }, { by: caller.name, serviceAccounts });
      onLog(`${caller.name} keeps the secret ${namespace}/${name}`);
      return { ...made, serviceAccounts: [...made.serviceAccounts] };
    },
  );

  app.delete(
    '/v1/secrets/:namespace/:name',
    {
      schema: {
        summary: 'Forget one, here and at the gateways that have it',
        tags: ['secrets'],
        params: Place,
        response: { 200: Type.Object({ namespace: Type.String(), name: Type.String() }), ...ERRORS },
      },
    },
    async ({ params: { namespace, name }, caller }) => {
      checkIn(caller, 'operator', namespace, `delete the secret ${namespace}/${name}`);
      await secrets.remove(namespace, name);
      onLog(`${caller.name} deleted the secret ${namespace}/${name}`);
      return { namespace, name };
    },
  );
}
