/** A process of simulated workers, which only wait: started by the part `load`. */
import type { LoadOrder } from './load_part.ts';

process.once('message', async ({ url, queue, workers }: LoadOrder) => {
  const [bullmq, { Redis }] = await Promise.all([import('bullmq'), import('ioredis')]);
  const all = Array.from({ length: workers }, () => {
    const connection = new Redis(url, { maxRetriesPerRequest: null });
    const worker = new bullmq.Worker<{ wait: number }>(
      queue,
      ({ data }) => new Promise((resolve) => setTimeout(resolve, data.wait)),
      { connection, concurrency: 1, lockDuration: 30_000 },
    );
    worker.on('error', () => {}); // The server ends before its workers.
    return worker;
  });
  await Promise.all(all.map((worker) => worker.waitUntilReady()));
  process.send?.('ready');
});
