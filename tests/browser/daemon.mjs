// SPDX-License-Identifier: MIT
//
// One wssd that answers every message with "ok" (and echoes compressed ones
// under /shared and /dedicated) and shows the page of etc/demo: started from a
// config of its own, asked for its port, stopped, and its log read afterwards.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, openSync, closeSync, readFileSync, writeFileSync }
    from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const DEMO = fileURLToPath(new URL('../../etc/demo', import.meta.url));
const READY_MS = 20000;
const STOP_MS = 20000;
const BAD_LINES = /fatal|ASSERT|AddressSanitizer|runtime error:/;

function configText(dir, certs) {
	const user = process.getuid() === 0 ? 'user = root\ngroup = root\n' :
	    '';

	return `[wssd]
workers = 1
${user}run_dir = ${dir}/run
stop_timeout = 5s
drain_window = 1s
[listen]
address = 127.0.0.1:0
transport = ssl
[context]
local_cert = ${certs}/cert.pem
local_pk = ${certs}/key.pem
[route /]
handler = reply
text = ok
[route /echo]
handler = echo
[route /shared]
handler = echo
compression = shared
[route /dedicated]
handler = echo
compression = dedicated
compression_min_size = 0
[route /]
handler = static
root = ${DEMO}
`;
}

export class Daemon {
	#bin;
	#config;
	#log;
	#process;
	#exited;

	// bin: the folder of wssd and wssctl; dir: made here, its own.
	constructor(bin, dir, certs) {
		mkdirSync(dir);
		this.#bin = bin;
		this.#config = join(dir, 'wssd.ini');
		this.#log = join(dir, 'log');
		writeFileSync(this.#config, configText(dir, certs));
	}

	log() {
		return readFileSync(this.#log, 'utf8');
	}

	wssctl(...args) {
		return spawnSync(join(this.#bin, 'wssctl'),
		    ['-c', this.#config, ...args], { encoding: 'utf8' });
	}

	#runs() {
		return this.#process?.pid !== undefined &&
		    this.#process.exitCode === null &&
		    this.#process.signalCode === null;
	}

	// The port it listens on, once it is ready.
	async start() {
		const fd = openSync(this.#log, 'w');
		const end = Date.now() + READY_MS;

		this.#process = spawn(join(this.#bin, 'wssd'),
		    ['-c', this.#config, '--foreground'],
		    { stdio: ['ignore', fd, fd] });
		closeSync(fd);
		this.#exited = new Promise((resolve, reject) => {
			this.#process.once('error', reject);
			this.#process.once('exit', (code, signal) =>
			    resolve(signal ?? code));
		});
		this.#exited.catch(() => {});
		while (!this.#serves()) {
			if (!this.#runs())
				throw new Error(`wssd ended:\n${this.log()}`);
			if (Date.now() > end)
				throw new Error(`not ready:\n${this.log()}`);
			await delay(20);
		}
		return this.#port();
	}

	// It answers while its workers are still starting, too.
	#serves() {
		const answer = this.wssctl('status', '--json');

		return answer.status === 0 &&
		    JSON.parse(answer.stdout).state === 'running';
	}

	#port() {
		const status = JSON.parse(
		    this.wssctl('status', '--json').stdout);

		return Number(status.listens[0].addresses[0]
		    .replace(/.*:/, ''));
	}

	// The exit code after a stop was asked for, and a log without alarm.
	async ended() {
		const code = await Promise.race([this.#exited,
		    delay(STOP_MS, 'still runs', { ref: false })]);

		if (code !== 0)
			throw new Error(`wssd: ${code}\n${this.log()}`);
		if (BAD_LINES.test(this.log()))
			throw new Error(`wssd's log:\n${this.log()}`);
	}

	// Whatever happened before.
	kill() {
		if (this.#runs())
			this.#process.kill('SIGTERM');
	}
}
