/** An S3-compatible server of its own for a test: Moto's (`pip install 'moto[server]'`), on loopback, started and stopped here. */
import { spawn } from 'node:child_process';
import { freePort } from './loopback.ts';

export interface S3Server {
  /** The variables by which a process finds it. */
  readonly environment: Readonly<Record<string, string>>;
  stop(): void;
}

/** Starts a server with one empty bucket. @throws Error, one sentence, where there is none */
export async function startS3Server(bucket: string): Promise<S3Server> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const stop = (): void => void child.kill('SIGKILL');
  process.once('exit', stop);
  const failed = new Promise<never>((_, reject) => {
    child.on('error', () => reject(new Error("moto_server is not here: pip install 'moto[server]'")));
    child.on('exit', (code) => reject(new Error(`moto_server ended with code ${code}`)));
  });
  failed.catch(() => {}); // It ends when it is stopped.
  const answers = async (): Promise<void> => {
    while (!(await fetch(url).catch(() => null))) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await Promise.race([answers(), failed]);
  await fetch(`${url}/${bucket}`, { method: 'PUT' });
  return {
    environment: {
      AWS_ENDPOINT_URL_S3: url,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REGION: 'us-east-1',
    },
    stop: () => {
      process.off('exit', stop);
      stop();
    },
  };
}
