import { BALANCERS } from '../../core/cluster/balancers/balancers.ts';
import { balancerContract } from './balancer.ts';

for (const [name, Balancer] of Object.entries(BALANCERS)) balancerContract(name, Balancer);
