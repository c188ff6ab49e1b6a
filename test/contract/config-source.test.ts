import { parseAllDocuments } from 'yaml';
import { onBus } from '../core/main/bus-harness.ts';
import { bench } from '../core/main/harness.ts';
import { sourceContract } from './config-source.ts';

sourceContract('a folder of files', async (t) => {
  const { write, start, upstream, log } = await bench(t);
  return { start, upstream, log, put: (yaml) => write('edge.yaml', yaml) };
});

sourceContract('commits over NATS', async (t) => {
  const { commitRaw, start, upstream, log } = await onBus(t);
  return {
    start,
    upstream,
    log,
    // As they are: a control plane would refuse some, and a proxy trusts no wire.
    async put(yaml) {
      const resources = parseAllDocuments(yaml).map((document) => document.toJS());
      await commitRaw(
        resources.map((resource) => {
          const { name, namespace = 'default' } = resource.metadata;
          return [`${resource.kind}/${namespace}/${name}`, resource];
        }),
      );
    },
  };
});
