// Routes about the mesh's authority: which roots are believed, and their rotation.

import { ApiError } from '../api-error.ts';
import { type Rotation, RotationRefused, type RotationReport } from '../authority/rotation.ts';
import { ERRORS } from '../schemas.ts';
import { Type } from '../shapes.ts';
import type { App } from './app.ts';

const CERTIFICATE = {
  fingerprint: Type.String({ description: 'SHA-256 in hex' }),
  subject: Type.String(),
  expires: Type.String(),
};
const AuthorityReply = Type.Object(
  {
    step: Type.Enum(['settled', 'trusting', 'signing']),
    roots: Type.Array(
      Type.Object({
        ...CERTIFICATE,
        signs: Type.Boolean({ description: 'Workloads get certificates below it' }),
      }),
    ),
    intermediate: Type.Union([Type.Object(CERTIFICATE), Type.Null()], {
      description: 'What signs certificates of workloads; null: the root itself',
    }),
    proxies: Type.Integer(),
    waiting: Type.Array(Type.Object({ proxy: Type.String(), why: Type.String() })),
    next: Type.String({ description: 'What may be done now' }),
  },
  { title: 'Authority' },
);

export function authorityRoutes(app: App, rotation: Rotation, onLog: (line: string) => void): void {
  app.get(
    '/v1/authority',
    {
      schema: {
        summary: 'The roots that the mesh believes, how far their rotation is, and who has not followed',
        tags: ['authority'],
        response: { 200: AuthorityReply, ...ERRORS },
      },
    },
    () => rotation.report() as never,
  );

  app.post(
    '/v1/authority/rotate',
    {
      schema: {
        summary:
          'The next step of a rotation of the root, or another intermediate; refused while a proxy has not followed the last one',
        tags: ['authority'],
        body: Type.Object(
          {
            root: Type.Optional(
              Type.String({ maxLength: 16_384, description: 'To begin with, in place of one that is made: in PEM' }),
            ),
            intermediate: Type.Optional(Type.Boolean({ description: 'Only what signs below the root, in one step' })),
          },
          { additionalProperties: false },
        ),
        response: { 200: AuthorityReply, ...ERRORS },
      },
    },
    async ({ body: { root, intermediate = false }, caller }) => {
      if (intermediate && root !== undefined)
        throw new ApiError(400, 'a root is not changed with the intermediate alone');
      let report: RotationReport;
      try {
        report = await (intermediate ? rotation.advanceIntermediate() : rotation.advance(root));
      } catch (error) {
        if (error instanceof RotationRefused) throw new ApiError(412, error.message);
        throw error;
      }
      const roots = report.roots.map(({ fingerprint }) => fingerprint.slice(0, 16)).join(' and ');
      onLog(
        `${caller.name} rotates the ${intermediate ? 'intermediate' : 'root'}: ${report.step}, the mesh believes ${roots}`,
      );
      return report as never;
    },
  );
}
