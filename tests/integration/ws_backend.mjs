// SPDX-License-Identifier: MIT
// npm's ws as a server behind wssd: it echoes.
//
//	node ws_backend.mjs PORT|/SOCKET [CERTIFICATE KEY]
//
// Prints "ready PORT" when it listens.
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../browser/package.json',
    import.meta.url));
const { WebSocketServer } = require('ws');

const [where, cert, key] = process.argv.slice(2);
const server = cert === undefined ? http.createServer() :
	https.createServer({
		cert: fs.readFileSync(cert),
		key: fs.readFileSync(key),
	});
const sockets = new WebSocketServer({ server, maxPayload: 64 << 20 });

sockets.on('connection', (ws) => {
	ws.on('error', () => {});
	ws.on('message', (data, binary) => ws.send(data, { binary }));
});
if (where.startsWith('/')) {
	fs.rmSync(where, { force: true });
	server.listen(where, () => {
		fs.chmodSync(where, 0o666);
		console.log('ready');
	});
} else {
	server.listen(Number(where), '127.0.0.1', () =>
		console.log(`ready ${server.address().port}`));
}
