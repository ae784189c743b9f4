/** A device without a GPU whose clock the test drives. */
import type { Device } from '../../src/tensor/device/device.ts';
import { DeviceMemory } from '../../src/tensor/device/device_memory.ts';
import type { Encoded } from '../../src/tensor/plan/encode.ts';

/**
 * A device that executes passes in their order. Each timestamp is one tick after the one before it, and later by what runs between.
 * @param dispatchTicks the time of a dispatch @param passTicks the time that a pass takes by itself
 */
export function madeTimestampDevice(dispatchTicks: () => number = () => 0, passTicks = 0) {
  const log = { sets: 0, mostSets: 0, largestSet: 0, mostDispatches: 0, submissions: 0 };
  let now = 1000n;
  let dispatches = 0;
  const createBuffer = ({ size }: { size: number }) => ({
    size,
    data: new BigUint64Array(size / 8),
    mapAsync: async () => {},
    getMappedRange() {
      return this.data.buffer;
    },
    destroy() {},
  });
  type Buffer = ReturnType<typeof createBuffer>;
  interface Set {
    readonly stamps: (bigint | undefined)[];
    destroy(): void;
  }
  const write = (set: Set, i: number): void => {
    if (i >= set.stamps.length) {
      throw new Error(`timestamp ${i} is outside a set of ${set.stamps.length}`);
    }
    if (set.stamps[i] !== undefined) {
      throw new Error(`timestamp ${i} is written twice before it was copied`);
    }
    set.stamps[i] = now++;
  };
  interface Pass {
    readonly timestampWrites: {
      querySet: Set;
      beginningOfPassWriteIndex: number;
      endOfPassWriteIndex: number;
    };
  }
  const gpu = {
    features: new Set(['timestamp-query']),
    createBuffer,
    createQuerySet: ({ count }: { count: number }): Set => {
      log.sets++;
      log.mostSets = Math.max(log.mostSets, log.sets);
      log.largestSet = Math.max(log.largestSet, count);
      return {
        stamps: new Array<bigint | undefined>(count),
        destroy: () => {
          log.sets--;
        },
      };
    },
    createCommandEncoder: () => ({
      beginComputePass: ({ timestampWrites: { querySet, ...place } }: Pass) => {
        write(querySet, place.beginningOfPassWriteIndex);
        return {
          setPipeline() {},
          setBindGroup() {},
          dispatchWorkgroups() {
            dispatches++;
            now += BigInt(dispatchTicks());
          },
          end: () => {
            now += BigInt(passTicks);
            write(querySet, place.endOfPassWriteIndex);
          },
        };
      },
      resolveQuerySet({ stamps }: Set, first: number, count: number, to: Buffer, offset: number) {
        if (offset % 256 !== 0) {
          throw new Error(`timestamps are copied to byte ${offset}, no multiple of 256`);
        }
        for (let i = 0; i < count; i++) {
          const stamp = stamps[first + i];
          if (stamp === undefined) {
            throw new Error(`timestamp ${first + i} is copied before it is written`);
          }
          to.data[offset / 8 + i] = stamp;
          stamps[first + i] = undefined;
        }
      },
      copyBufferToBuffer(from: Buffer, _: number, to: Buffer) {
        to.data.set(from.data);
      },
      finish: () => ({}),
    }),
    queue: {
      submit: () => {
        log.submissions++;
        log.mostDispatches = Math.max(log.mostDispatches, dispatches);
        dispatches = 0;
      },
    },
  };
  const memory = new DeviceMemory(gpu as unknown as GPUDevice);
  return { device: { gpu, memory } as unknown as Device, log };
}

/** A dispatch for the made device. */
export const madeDispatch = { workgroups: [1, 1, 1] } as unknown as Encoded;
