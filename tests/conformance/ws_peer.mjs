// SPDX-License-Identifier: MIT
//
// An independent peer: the ws of npm as a client of wssd, over TLS, with and
// without compression.
//
// Needs WSSD_BIN (the folder of wssd and wssctl), openssl and `npm ci` in this
// folder; exits with 77 when ws is missing, or with 1 when WSSD_NO_SKIP says
// that it has to be there.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import assert from 'node:assert/strict';

import { Daemon } from '../browser/daemon.mjs';
import { makeCertificates } from '../browser/pki.mjs';

const SKIPPED = 77;
const DEFLATE = [
	true,
	{ threshold: 0 },
	{ threshold: 0, serverNoContextTakeover: true },
	{ threshold: 0, clientNoContextTakeover: true },
	{ threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
	{ threshold: 0, serverMaxWindowBits: 15, clientMaxWindowBits: 10,
		serverNoContextTakeover: true, clientNoContextTakeover: true },
];
const MESSAGES = ['', 'a', 'grüße '.repeat(500), 'x'.repeat(60000),
	Buffer.alloc(0), Buffer.alloc(50000), randomBytes(20000),
	...Array.from({ length: 100 }, (_, i) => `{"number":${i},"of":100}`)];

async function loadWs() {
	try {
		return (await import('ws')).default;
	} catch {
		console.log('skipped: ws (npm ci) is missing');
		process.exit(process.env.WSSD_NO_SKIP ? 1 : SKIPPED);
	}
}

async function open(t, path, options) {
	const ws = new t.WebSocket(`wss://localhost:${t.port}${path}`, {
		ca: t.ca, ...options });

	await once(ws, 'open');
	return ws;
}

async function echo(ws, message, options) {
	const answer = once(ws, 'message');

	ws.send(message, options);
	const [data, isBinary] = await answer;

	assert.equal(isBinary, typeof message !== 'string');
	assert.deepEqual(data, Buffer.from(message));
}

async function fragments(ws) {
	const answer = once(ws, 'message');

	ws.send('in '.repeat(400), { fin: false });
	ws.ping('between');
	ws.send('', { fin: false });
	ws.send('three', { fin: true });
	await once(ws, 'pong');
	assert.equal((await answer)[0].toString(), 'in '.repeat(400) + 'three');
}

async function talk(t, path, perMessageDeflate) {
	const ws = await open(t, path, { perMessageDeflate });
	const agreed = path !== '/echo' && perMessageDeflate !== false;

	assert.equal(ws.extensions, agreed ? 'permessage-deflate' : '');
	for (const message of MESSAGES)
		await echo(ws, message);
	await echo(ws, 'not compressed '.repeat(100), { compress: false });
	await fragments(ws);
	ws.close(3001, 'bye');
	const [code] = await once(ws, 'close');

	assert.equal(code, 3001);
}

// What the client does not allow itself to send, by its own sender.
async function wrong(t) {
	const ws = await open(t, '/dedicated', {});

	ws._sender.sendFrame([Buffer.from([0xc1, 0x81, 0, 0, 0, 0, 0xff])]);
	const [code, reason] = await once(ws, 'close');

	assert.equal(code, 1007);
	assert.match(reason.toString(), /DEFLATE/);
}

async function main() {
	const WebSocket = await loadWs();
	const dir = mkdtempSync(join(tmpdir(), 'wssd-ws-'));

	makeCertificates(dir);
	const daemon = new Daemon(process.env.WSSD_BIN, join(dir, 'wssd'), dir);

	try {
		const t = { WebSocket, port: await daemon.start(),
			ca: readFileSync(join(dir, 'ca.pem')) };

		for (const path of ['/echo', '/shared', '/dedicated'])
			for (const deflate of [false, ...DEFLATE]) {
				await talk(t, path, deflate);
				console.log(`ok ${path}`,
				    JSON.stringify(deflate));
			}
		await wrong(t);
		console.log('ok no DEFLATE data');
		assert.equal(daemon.wssctl('stop').status, 0);
		await daemon.ended();
	} finally {
		daemon.kill();
		rmSync(dir, { recursive: true, force: true });
	}
}

await main();
