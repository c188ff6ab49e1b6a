// The name of an image, taken apart as Docker does it: 'host/repository:tag@sha256:digest'.
import { StepFailed } from '../step.ts';

export interface ImageReference {
  /** 'ghcr.io', '127.0.0.1:5000' */
  readonly host: string;
  /** 'acme/filter' */
  readonly repository: string;
  readonly tag: string;
  /** 'sha256:<hex>'; undefined: whatever the tag stands for. */
  readonly digest: string | undefined;
}

/** Without 'oci://'. Throws StepFailed (resolve, usage). */
export function parseReference(text: string): ImageReference {
  const parts =
    /^(?:([^/]+)\/)?([a-z0-9._/-]+?)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text);
  const unusable = new StepFailed(
    'resolve',
    'usage',
    `${JSON.stringify(text.slice(0, 200))} is no image: HOST/REPOSITORY:TAG`,
  );
  if (parts === null) throw unusable;
  const [, first, rest, tag = 'latest', digest] = parts;
  // What looks like no host is the beginning of a repository of Docker's own registry.
  const isHost = first !== undefined && /[.:]|^localhost$/.test(first);
  const host = isHost ? first : 'docker.io';
  const path = isHost || first === undefined ? rest : `${first}/${rest}`;
  const repository = host === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  if (!repository.split('/').every((part) => /^[a-z0-9]+([._-]+[a-z0-9]+)*$/.test(part))) throw unusable;
  return { host, repository, tag, digest };
}

/** As people write it. */
export function imageName({ host, repository, tag, digest }: ImageReference): string {
  return `${host}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}
