// Who had access once, and has it no more.
import { ApiError } from '../api-error.ts';

export class TokenOverError extends ApiError {
  constructor(message: string) {
    super(401, message);
  }
}
