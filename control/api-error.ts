// What the API answers when it does not do what was asked: a status, a sentence, and the problems of the configuration.
import { BusUnavailableError, ConflictError, TooLargeError } from '../bus/types.ts';
import type { Problem } from '../core/config/resource.ts';

export class ApiError extends Error {
  readonly status: number;
  readonly problems: readonly Problem[];

  constructor(status: number, message: string, problems: readonly Problem[] = []) {
    super(message);
    this.status = status;
    this.problems = problems;
  }
}

/** What went wrong below, as an answer; null when it is none of the caller's business. */
export function asApiError(error: unknown): ApiError | null {
  if (error instanceof ApiError) return error;
  if (error instanceof ConflictError) return new ApiError(409, error.message);
  if (error instanceof TooLargeError) return new ApiError(413, error.message);
  if (error instanceof BusUnavailableError) {
    const kept = error.outcome === 'nothing' ? '; nothing was changed' : '';
    return new ApiError(503, `${error.message}${kept}`);
  }
  return null;
}
