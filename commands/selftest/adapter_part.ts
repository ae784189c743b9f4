/** Part `adapter`: its name, features and limits, and the machine as `reno doctor` sees it. */
import { openAdapter } from '../../src/cli/adapter.ts';
import { adapterFindings, checkMachine } from '../../src/cli/doctor/index.ts';
import { thisMachine } from '../../src/cli/doctor/machine.ts';
import type { Part } from './part.ts';

export const adapterPart: Part = {
  name: 'adapter',
  title: 'Which GPU is this, and what can it do?',
  limit: { full: 30, quick: 30 },
  run: async ({ adapter, row }) => {
    using device = await openAdapter(adapter);
    // A finding about the machine is no failure as long as the adapter works.
    for (const { what, value, ok, note } of checkMachine(thisMachine())) {
      row({ name: what, ok: true, amiss: !ok, shown: `${value}${note ? ` (${note})` : ''}` });
    }
    for (const { what, value, ok, note } of await adapterFindings(device)) {
      row({ name: what, ok, shown: `${value}${note ? ` (${note})` : ''}` });
    }
    const features = [...device.gpu.features].sort();
    row({ name: 'features', ok: true, shown: features.join(', '), features });
    const limits: Record<string, number> = {};
    for (const name in device.limits) {
      limits[name] = Number(device.limits[name as keyof GPUSupportedLimits]);
    }
    const shown = Object.entries(limits).map(([name, value]) => `${name} ${value}`);
    row({ name: 'limits', ok: true, shown: shown.join(', '), limits });
    const { info, caps } = device;
    row({ name: 'capabilities', ok: true, shown: JSON.stringify(caps), info, caps });
    return `${info.description || info.vendor} computes`;
  },
};
