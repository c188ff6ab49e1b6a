// ratelimit: RateLimitPolicy at a workload. It looks at requests alone; answers.ts is for who wants every answer to tell.

import { register } from '../sdk/index';
import { RateLimit } from './limits';

register(() => new RateLimit());
