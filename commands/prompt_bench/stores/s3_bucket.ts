/**
 * A bucket of Amazon S3 or of a store that speaks its language, through the client of AWS (@aws-sdk/client-s3, an optional package).
 * Credentials, region and endpoint come from where every AWS tool has them: AWS_ACCESS_KEY_ID and its companions, ~/.aws, the role
 * of a pod or of a machine, AWS_REGION, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { sentenceOf, UsageError } from '../../../src/cli/usage_error.ts';
import type { ObjectStore } from './s3_store.ts';

type Package = typeof import('@aws-sdk/client-s3');

/** A write that meets another of the same object (409) is tried again, at most so often. */
const CONFLICTS = 5;

/** @param address `s3://BUCKET/PREFIX` @throws Error, one sentence: no such address, no package */
export async function openBucket(address: string): Promise<ObjectStore> {
  const [, bucket = '', prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(address) ?? [];
  if (bucket === '') {
    throw new UsageError(`results go to an address such as s3://BUCKET/PREFIX, not "${address}"`);
  }
  let s3: Package;
  try {
    s3 = await import('@aws-sdk/client-s3');
  } catch {
    throw new Error('results in S3 need one more package: npm install @aws-sdk/client-s3');
  }
  return new Bucket(s3, bucket, prefix.replace(/\/+$/, ''));
}

class Bucket implements ObjectStore {
  readonly name: string;
  readonly #s3: Package;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor(s3: Package, bucket: string, prefix: string) {
    const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION } = process.env;
    const isOther = (AWS_ENDPOINT_URL_S3 ?? AWS_ENDPOINT_URL) !== undefined;
    this.#s3 = s3;
    this.#bucket = bucket;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
    this.name = `s3://${bucket}/${prefix}`;
    this.#client = new s3.S3Client({
      // Other stores have buckets in the path, often one region only, and do not all know the newer checksums.
      ...(isOther
        ? {
            forcePathStyle: true,
            requestChecksumCalculation: 'WHEN_REQUIRED',
            responseChecksumValidation: 'WHEN_REQUIRED',
          }
        : {}),
      ...(AWS_REGION === undefined && (isOther || AWS_DEFAULT_REGION)
        ? { region: AWS_DEFAULT_REGION ?? 'us-east-1' }
        : {}),
      maxAttempts: 5,
    });
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    await this.#saying('write', path, () => this.#client.send(this.#putCommand(path, bytes)));
  }

  create(path: string, bytes: Uint8Array): Promise<boolean> {
    return this.#saying('write', path, async () => {
      for (let conflicts = 0; ; ) {
        try {
          await this.#client.send(this.#putCommand(path, bytes, '*'));
          return true;
        } catch (error) {
          const status = statusOf(error);
          if (status === 412) {
            return false;
          }
          if (status === 501) {
            await this.#client.send(this.#putCommand(path, bytes)); // The store does not know the condition.
            return true;
          }
          conflicts += 1;
          if (status !== 409 || conflicts > CONFLICTS) {
            throw error;
          }
        }
      }
    });
  }

  get(path: string): Promise<Uint8Array | null> {
    return this.#saying('read', path, async () => {
      const command = new this.#s3.GetObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + path });
      const found = await orNull(() => this.#client.send(command));
      return (await found?.Body?.transformToByteArray()) ?? null;
    });
  }

  has(path: string): Promise<boolean> {
    return this.#saying('read', path, async () => {
      const command = new this.#s3.HeadObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + path });
      return (await orNull(() => this.#client.send(command))) !== null;
    });
  }

  async remove(path: string): Promise<void> {
    const command = new this.#s3.DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + path });
    await this.#saying('write', path, () => this.#client.send(command));
  }

  list(folder: string): Promise<string[]> {
    return this.#saying('read', folder, async () => {
      const whole = this.#prefix + folder;
      const paths: string[] = [];
      for await (const page of this.#s3.paginateListObjectsV2(
        { client: this.#client },
        { Bucket: this.#bucket, Prefix: whole },
      )) {
        paths.push(...(page.Contents ?? []).flatMap(({ Key: key }) => key?.slice(whole.length) || []));
      }
      return paths;
    });
  }

  #putCommand(path: string, bytes: Uint8Array, ifNoneMatch?: '*'): InstanceType<Package['PutObjectCommand']> {
    return new this.#s3.PutObjectCommand({
      Bucket: this.#bucket,
      Key: this.#prefix + path,
      Body: bytes,
      ContentType: TYPES[path.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
      ...(ifNoneMatch ? { IfNoneMatch: ifNoneMatch } : {}),
    });
  }

  async #saying<T>(what: 'read' | 'write', path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new Error(`cannot ${what} ${this.name.replace(/\/?$/, '/')}${path}: ${reasonOf(error)}`);
    }
  }
}

const TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  json: 'application/json',
  jsonl: 'application/x-ndjson',
  html: 'text/html; charset=utf-8',
  md: 'text/markdown; charset=utf-8',
};

async function orNull<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    // A missing bucket is 404 too, and says so except to HEAD.
    if (statusOf(error) === 404 && !(error instanceof Error && error.name === 'NoSuchBucket')) {
      return null;
    }
    throw error;
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode;
}

/** The client's errors in plain words; each has a name, such as NoSuchBucket, and not all have a sentence. */
function reasonOf(error: unknown): string {
  const { name, errors } = error as { name?: string; errors?: readonly unknown[] };
  if (name === 'CredentialsProviderError') {
    return 'there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE';
  }
  if (name === 'NoSuchBucket') {
    return 'there is no such bucket: make it first';
  }
  if (errors && errors.length > 0) {
    return sentenceOf(errors[0]); // Of several addresses of one host, each refused.
  }
  const sentence = sentenceOf(error);
  const known = name === undefined || name === 'Error' || sentence.includes(name) ? '' : `${name}: `;
  return sentence === '' ? (name ?? 'unknown') : known + sentence;
}
