// A module by its address: http or https, with a digest that says what it must be.
import { FetchFailed, guardedFetch } from '../../core/fetch/guarded-fetch.ts';
import { MOST_MODULE_BYTES } from '../../core/wasm/meter/meter.ts';
import { verifyBlob } from '../oci/cosign.ts';
import { StepFailed } from '../step.ts';

export interface AddressOptions {
  readonly allowPrivate: boolean;
  readonly timeoutMs?: number;
  /** PEM; a signature has to lie beside the module, under its address with '.sig'. */
  readonly verificationKey?: string;
}

const TIMEOUT_MS = 30_000;
const MOST_SIGNATURE_BYTES = 16 * 1024;

/** Throws StepFailed. The digest is for the caller to check. */
export async function fetchModule(url: string, options: AddressOptions): Promise<Buffer> {
  const module = await get(url, MOST_MODULE_BYTES, options);
  if (module === null) throw new StepFailed('fetch', 'missing', `there is nothing at ${url}`);
  if (options.verificationKey === undefined) return module;
  const beside = new URL(url);
  beside.pathname += '.sig';
  const signature = await get(beside.href, MOST_SIGNATURE_BYTES, options);
  if (signature === null) {
    throw new StepFailed(
      'verify',
      'refused',
      `${url} is not signed (no ${beside.pathname}), and a verification key is given`,
    );
  }
  verifyBlob(url, module, signature.toString('utf8'), options.verificationKey);
  return module;
}

async function get(url: string, maxBytes: number, options: AddressOptions): Promise<Buffer | null> {
  const { allowPrivate, timeoutMs = TIMEOUT_MS } = options;
  try {
    const { status, body } = await guardedFetch(url, { timeoutMs, maxBytes, allowPrivate });
    if (status === 200) return body;
    if (status === 404 || status === 410) return null;
    throw new StepFailed('fetch', 'unreachable', `${url} answers ${status}; whether it is there is not known`);
  } catch (error) {
    if (!(error instanceof FetchFailed)) throw error;
    throw new StepFailed('fetch', error.refused ? 'refused' : 'unreachable', error.message);
  }
}
