// Runs the binary under test as a child process.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

export const apiKey = 'screentest-key-0123456789-0123456789';

const running = new Set();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * A port below those that the system gives to outgoing connections, so that it
 * stays free while a server is restarted.
 */
async function freePort() {
  for (let tries = 0; tries < 100; tries++) {
    const port = 20000 + Math.floor(Math.random() * 12000);
    const free = await new Promise((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error('no free port found');
}

/** What tells every server of a file its store: an empty one at first. */
const store = Object.fromEntries(
  ['WAYBELL_DATA_DIR', 'WAYBELL_DATABASE_URL', 'WAYBELL_ENCRYPTION_KEY'].flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
);

/** One server at one address on the file's store; it can be restarted. */
export class Server {
  #child = null;
  #settings;
  #tail = [];

  /**
   * @param {Record<string, string | number | boolean>} settings flags without their dashes. The text `{port}` in
   *   a value becomes the server's own port.
   */
  static async start(settings = {}) {
    const server = new Server();
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    server.#settings = { 'allow-targets': '127.0.0.0/8,::1', 'log-format': 'json', 'shutdown-grace': '2s', ...settings };
    await server.start();
    return server;
  }

  /** Resolves when publishing works. */
  async start() {
    const args = ['serve', '--listen', `127.0.0.1:${this.port}`];
    for (const [name, value] of Object.entries(this.#settings)) args.push(`--${name}=${String(value).replaceAll('{port}', this.port)}`);
    const child = spawn(process.env.WAYBELL_BINARY, args, {
      env: { PATH: process.env.PATH, WAYBELL_API_KEY: apiKey, ...store },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    running.add(child);
    await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        running.delete(child);
        reject(new Error(`the server ended with ${code ?? signal}:\n${this.log}`));
      });
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          this.#tail.push(line);
          if (this.#tail.length > 400) this.#tail.shift();
          if (/"msg":"ready"|msg=ready/.test(line)) resolve();
        });
      }
    });
  }

  /** The last lines that it wrote. */
  get log() {
    return this.#tail.join('\n');
  }

  /** Ends the process: in order, or as a crash would. */
  async stop(signal = 'SIGTERM') {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async restart() {
    await this.stop();
    await this.start();
  }

  async close() {
    await this.stop('SIGKILL');
  }
}
