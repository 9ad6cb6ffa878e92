// SPDX-License-Identifier: MIT
// npm ws as an echo: node ws.mjs PORT CERT KEY
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { WebSocketServer } from "ws";

const [port, cert, key] = process.argv.slice(2);
const https = createServer({
	cert: readFileSync(cert),
	key: readFileSync(key),
	minVersion: "TLSv1.3",
});
const server = new WebSocketServer({
	server: https,
	perMessageDeflate: false,
	maxPayload: 16 << 20,
});

server.on("connection", (socket, request) => {
	socket.on("message", (data, binary) => {
		if (request.url !== "/broadcast") {
			socket.send(data, { binary });
			return;
		}
		for (const client of server.clients)
			client.send(data, { binary });
	});
});
https.listen({ port: Number(port), host: "127.0.0.1", backlog: 65535 });
