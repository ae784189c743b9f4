/** Measures the memory of the page and of its engine over several runs. */
import type { CDPSession } from 'playwright-core';
import { launchChromium } from './launch_chromium.ts';
import type { MemoryRow } from './memory.ts';
import { servePage } from './served.ts';
import { MEASURED, StudioPage } from './studio_page.ts';

/** Counts the GPU buffers that live in the engine's worker. A buffer is gone when it is destroyed, or its device is. */
const COUNT_BUFFERS = `{
  const live = new Map();
  globalThis.liveBuffers = () => [live.size, [...live.keys()].reduce((sum, { size }) => sum + size, 0)];
  const { createBuffer, destroy } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    live.set(buffer, this);
    return buffer;
  };
  GPUDevice.prototype.destroy = function () {
    for (const [buffer, device] of live) {
      if (device === this) live.delete(buffer);
    }
    return destroy.call(this);
  };
  const destroyBuffer = GPUBuffer.prototype.destroy;
  GPUBuffer.prototype.destroy = function () {
    live.delete(this);
    return destroyBuffer.call(this);
  };
}`;

/** Does so many runs of so many iterations in one tab. */
export async function measureMemory(runs: number, iterations: number): Promise<MemoryRow[]> {
  const served = await servePage(COUNT_BUFFERS);
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const studio = new StudioPage(page);
    const session = await page.context().newCDPSession(page);
    const workers = await WorkerSessions.attach(session);
    await studio.open(served.url);
    const rows: MemoryRow[] = [];
    for (let run = 1; run <= runs; run++) {
      await studio.run({ ...MEASURED, iterations });
      await studio.page.waitForSelector('#downloads a', { state: 'visible' });
      await session.send('HeapProfiler.collectGarbage');
      const own = await session.send('Runtime.getHeapUsage');
      const engine = await workers.measure();
      rows.push({ run, page: bytesOf(own), ...engine });
    }
    return rows;
  } finally {
    await browser.close();
    await served.close();
  }
}

/** The answer to Runtime.getHeapUsage. */
interface HeapUsage {
  readonly usedSize: number;
  /** Bytes of array buffers. Chromium tells them, and the types of playwright do not have them all. */
  readonly backingStorageSize?: number;
}

const bytesOf = ({ usedSize, backingStorageSize = 0 }: HeapUsage): number => usedSize + backingStorageSize;

/** The workers of a page, asked through the page's own session: playwright has no sessions for workers. */
class WorkerSessions {
  readonly #session: CDPSession;
  readonly #ids = new Set<string>();
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #messages = 0;

  private constructor(session: CDPSession) {
    this.#session = session;
  }

  static async attach(session: CDPSession): Promise<WorkerSessions> {
    const workers = new WorkerSessions(session);
    session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
      if (targetInfo.type === 'worker') {
        workers.#ids.add(sessionId);
      }
    });
    session.on('Target.detachedFromTarget', ({ sessionId }) => workers.#ids.delete(sessionId));
    session.on('Target.receivedMessageFromTarget', ({ message }) => {
      const { id, result } = JSON.parse(message) as { id?: number; result?: unknown };
      workers.#waiting.get(id ?? -1)?.(result);
    });
    await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    return workers;
  }

  /** Collects garbage in all workers, and sums their heaps and their GPU buffers. */
  async measure(): Promise<Pick<MemoryRow, 'workers' | 'buffers' | 'bufferBytes'>> {
    let [workers, buffers, bufferBytes] = [0, 0, 0];
    for (const id of this.#ids) {
      await this.#ask(id, 'HeapProfiler.collectGarbage');
      workers += bytesOf((await this.#ask(id, 'Runtime.getHeapUsage')) as HeapUsage);
      const expression = 'globalThis.liveBuffers?.() ?? [0, 0]';
      const { result } = (await this.#ask(id, 'Runtime.evaluate', { expression, returnByValue: true })) as {
        result: { value: [number, number] };
      };
      buffers += result.value[0];
      bufferBytes += result.value[1];
    }
    if (buffers === 0) {
      throw new Error('the engine of the page has no GPU buffer: it was not measured');
    }
    return { workers, buffers, bufferBytes };
  }

  #ask(sessionId: string, method: string, params: object = {}): Promise<unknown> {
    const id = this.#messages++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, resolve);
      this.#session
        .send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method, params }) })
        .catch(reject);
    });
  }
}
