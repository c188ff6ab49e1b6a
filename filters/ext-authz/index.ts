// ext-authz: AuthorizationPolicies of action CUSTOM. It looks at requests alone; answers.ts is for authorizers that have
// something to say to the client of a request that they allow.

import { register } from '../sdk/index';
import { ExtAuthz } from './checks';

register(() => new ExtAuthz());
