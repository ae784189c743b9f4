/** What is said of queues that cannot be used. `npm run test:scale` has real servers. */
import { describe, expect, it } from 'vitest';
import { openQueueEngine } from '../../../commands/prompt_bench/queue_engine.ts';

describe('a queue', () => {
  it('is on Redis or Postgres', async () => {
    await expect(openQueueEngine('mysql://localhost/reno')).rejects.toThrow(
      '--queue must be an address such as redis://localhost:6379 or postgres://localhost/reno, not "mysql://localhost/reno"',
    );
  });

  it.each(['redis', 'postgres'])('that does not answer is named without its password: %s', async (kind) => {
    // Nobody listens on port 1.
    await expect(openQueueEngine(`${kind}://me:secret@127.0.0.1:1/x`)).rejects.toThrow(
      `cannot use the queue ${kind}://me:…@127.0.0.1:1/x: connect ECONNREFUSED 127.0.0.1:1`,
    );
  });
});
