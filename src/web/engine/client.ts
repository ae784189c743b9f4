/** The page's side of the engine's worker. */
import type { FromEngine, LookedAt, Sight, ToEngine } from './protocol.ts';

/** A message about a run or about loading. */
export type EngineEvent = Exclude<FromEngine, { readonly kind: 'looked' | 'unseen' }>;

interface Waiting {
  readonly resolve: (sight: Sight) => void;
  readonly reject: (error: Error) => void;
}

/** Starts the worker, and sends it what the page wants. */
export class EngineClient {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #looks = 0;

  /**
   * @param script the worker's address
   * @param onEvent is told what the engine does
   */
  constructor(script: string, onEvent: (event: EngineEvent) => void) {
    this.#worker = new Worker(script, { type: 'module', name: 'engine' });
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker.onerror = (event) => {
      event.preventDefault();
      onEvent({ kind: 'failed', during: 'open', sentence: event.message || 'the engine cannot be fetched' });
    };
    port1.onmessage = ({ data }: MessageEvent<FromEngine>) => {
      if (data.kind === 'looked') {
        this.#take(data.id)?.resolve(data.sight);
      } else if (data.kind === 'unseen') {
        this.#take(data.id)?.reject(new Error(data.sentence));
      } else {
        onEvent(data);
      }
    };
    this.#worker.postMessage('port', [port2]);
  }

  send(message: ToEngine): void {
    this.#port.postMessage(message);
  }

  /** Asks the evaluator what it sees; the evaluator is loaded when it is first asked. @throws Error, one sentence, when that fails */
  look(picture: LookedAt): Promise<Sight> {
    const id = this.#looks++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.send({ kind: 'look', id, picture });
    });
  }

  /** Ends the worker. */
  close(): void {
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) {
      reject(new Error('the engine was closed'));
    }
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
