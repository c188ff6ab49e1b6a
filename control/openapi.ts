// The API's own description: OpenAPI with every shape that has a title under its name, and the page that shows it.
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifySwaggerUiOptions } from '@fastify/swagger-ui';

const TITLE = 'Weft control plane';

export function openApi(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      info: { title: TITLE, version, description: 'Configuration of the mesh and who runs it.' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transformObject(document) {
      if (!('openapiObject' in document)) return document.swaggerObject;
      const { openapiObject: description } = document;
      const schemas: Record<string, object> = {};
      const paths = named(description.paths, schemas);
      return { ...description, paths, components: { ...description.components, schemas } } as typeof description;
    },
  };
}

/** Shapes with a title go to `schemas`, once, and where they stood is a reference. */
function named(value: unknown, schemas: Record<string, object>): unknown {
  if (Array.isArray(value)) return value.map((item) => named(item, schemas));
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([name, item]) => [name, named(item, schemas)]));
  const { title } = value as { title?: unknown };
  if (typeof title !== 'string') return copy;
  schemas[title] ??= copy;
  return { $ref: `#/components/schemas/${title}` };
}

/** Threads that cross: warp and weft. */
const LOGO = Buffer.from(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40" height="40" role="img" aria-label="Weft">
<g stroke="#7dd3c0" stroke-width="4" stroke-linecap="round"><path d="M8 6v28M18 6v28M28 6v28"/></g>
<g stroke="#f2a65a" stroke-width="4" stroke-linecap="round"><path d="M4 13h8M16 13h16M4 27h18M26 27h6"/></g>
<text x="42" y="28" font-family="sans-serif" font-size="24" font-weight="600" fill="#fff">Weft</text></svg>`,
);

export const DOCS_PAGE: FastifySwaggerUiOptions = {
  routePrefix: '/docs',
  staticCSP: true,
  logo: { type: 'image/svg+xml', content: LOGO, href: '/docs', target: '_self' },
  theme: {
    title: TITLE,
    favicon: [{ filename: 'favicon.svg', rel: 'icon', sizes: 'any', type: 'image/svg+xml', content: LOGO }],
  },
};
